"""Nothing of a form lies under its scroll bar."""

from __future__ import annotations

import pytest
from napari._qt.qt_resources import get_stylesheet
from qtpy.QtWidgets import QScrollArea

from napari_medsynth.widgets._restore_form import RestoreForm
from napari_medsynth.widgets._synthesize_form import SynthesizeForm


@pytest.mark.parametrize("style", ["napari's", "the system's"])
@pytest.mark.parametrize("name", ["synthesize", "restore"])
def test_the_narrowest_form_has_room_for_its_scroll_bar(qtbot, viewer, style, name):
    form = SynthesizeForm() if name == "synthesize" else RestoreForm(viewer)
    qtbot.addWidget(form)
    if style == "napari's":
        form.setStyleSheet(get_stylesheet("dark"))
    form.resize(form.minimumSize())
    form.show()
    scroll = form.findChild(QScrollArea)
    bar = scroll.verticalScrollBar().sizeHint().width()

    room = scroll.width() - bar

    assert form.model_box.isVisible()
    assert scroll.widget().minimumSizeHint().width() <= room
