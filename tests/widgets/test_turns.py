"""Timers that outlive their widget, or do not."""

import pytest
from qtpy.QtCore import QCoreApplication, QEvent, QObject

from napari_medsynth.widgets._turns import single_shot, stop


def test_a_timer_stops(qapp):
    parent = QObject()
    timer = single_shot(parent, 1000, lambda: None)
    timer.start()
    stop(timer)
    assert not timer.isActive()


def test_a_timer_that_qt_has_deleted_is_stopped_already(qapp):
    parent = QObject()
    timer = single_shot(parent, 1000, lambda: None)
    timer.start()
    parent.deleteLater()
    QCoreApplication.sendPostedEvents(parent, QEvent.Type.DeferredDelete)
    with pytest.raises(RuntimeError, match="deleted"):
        timer.stop()
    stop(timer)
