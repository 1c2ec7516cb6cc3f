"""Fine-tune: teach a model with local scans, watch it, and keep it if it is better."""

from __future__ import annotations

import sys
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from ._activation import prepare_viewer
from ._before_after import BeforeAfter
from ._preferences import Preferences, keep, recall
from ._training import Boxes, Training
from ._training_pace import TrainingPace
from ._turns import single_shot
from ._worker import start_worker
from .parts.cohort_box import CohortBox
from .parts.learn_box import LearnBox
from .parts.section import Section
from .parts.verdict_box import VerdictBox
from .parts.watch_box import WatchBox

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.catalogue import ModelCard

_DOCK = "finetune"
_SCROLL_AFTER = 100  # ms
_WARM_UP_AFTER = 1500  # ms


class FinetuneWidget(QWidget):
    """Data, what to learn, watch, keep: four steps on one page.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self.cohort_box = CohortBox(napari_viewer)
        self.learn_box = LearnBox()
        self.watch_box = WatchBox()
        self.verdict_box = VerdictBox()
        self._lay_out()
        preview = BeforeAfter(napari_viewer)
        boxes = (self.cohort_box, self.learn_box, self.watch_box, self.verdict_box)
        self.training = Training(Boxes(*boxes, preview))
        self._is_settled = False
        self._shown: QWidget = self.cohort_box
        self._scroll_timer = single_shot(self, _SCROLL_AFTER, self._scroll_to_shown)
        self._last_run = self._restore()
        self._connect()
        self._on_changed()
        self._settle_timer = single_shot(self, 0, self.settle)
        self._settle_timer.start()
        self._warm_up_timer = single_shot(self, _WARM_UP_AFTER, warm_up)

    @property
    def is_busy(self) -> bool:
        """Whether a model is being trained."""
        return self.training.is_busy

    def reason(self) -> str:
        """Say why training cannot start; "" if it can."""
        return self.cohort_box.reason() or self.learn_box.reason()

    def settle(self) -> None:
        """Do what would delay the opening, and look what the last run left.

        Called by itself once the dock is shown; again, it changes nothing.
        """
        if self._is_settled:
            return
        self._is_settled = True
        prepare_viewer(self._viewer)
        if Preferences().apply_home():
            self.learn_box.model_box.refresh()
        self.training.remember(self._last_run)

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        folder, pace = self.training.folder, self.training.pace
        return {
            "cohort": self.cohort_box.to_json(),
            "learn": self.learn_box.to_json(),
            "run": str(folder.path) if folder is not None else "",
            "pace": pace.to_json() if pace is not None else {},
        }

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._warm_up_timer.start()

    def _restore(self) -> str:
        """Choose what was remembered; give the folder of the last run."""
        values = recall(_DOCK)
        for name, box in (("cohort", self.cohort_box), ("learn", self.learn_box)):
            kept = values.get(name)
            box.set_from_json(kept if isinstance(kept, dict) else {})
        self.training.pace = TrainingPace.from_json(values.get("pace"))
        return str(values.get("run") or "")

    def _connect(self) -> None:
        self.cohort_box.changed.connect(self._on_cohort_changed)
        self.learn_box.card_changed.connect(self._on_card_changed)
        self._on_card_changed(self.learn_box.card)
        self.learn_box.changed.connect(self._on_changed)
        self.training.changed.connect(self._on_changed)
        self.training.moved_to.connect(self._on_moved_to)
        self.destroyed.connect(partial(Training.close, self.training))
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self.training.close)

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        for title, box in (
            ("1  Data", self.cohort_box),
            ("2  What to learn", self.learn_box),
            ("3  Watch", self.watch_box),
            ("4  Keep?", self.verdict_box),
        ):
            section = Section(title)
            section.addWidget(box)
            section.expand(animate=False)
            column.addWidget(section)
        column.addStretch(1)
        self._scroll = scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(scroll)
        self.setMinimumSize(330, 360)  # a dock squeezes what has none

    def _on_moved_to(self, box: QWidget) -> None:
        """Scroll to a box, once it has its new size."""
        self._shown = box
        self._scroll_timer.start()

    def _scroll_to_shown(self) -> None:
        content = self._scroll.widget()
        bar = self._scroll.verticalScrollBar()
        if content is not None and bar is not None:
            top = self._shown.mapTo(content, QPoint(0, 0)).y()
            bar.setValue(top - 2 * self.fontMetrics().height())  # with its heading

    def _on_card_changed(self, card: ModelCard | None) -> None:
        self.verdict_box.set_has_base(not self.learn_box.is_fresh)
        self.cohort_box.set_card(card)

    def _on_cohort_changed(self) -> None:
        self.learn_box.set_found(self.cohort_box.found())
        self.learn_box.set_contrasts(self.cohort_box.contrasts())
        self._on_changed()

    def _on_changed(self) -> None:
        self.cohort_box.set_pairing(self.learn_box.pairing())
        self.watch_box.set_startable(self.reason())
        self.training.show_estimate()
        if self._is_settled:
            keep(_DOCK, self.to_json())


def warm_up() -> None:
    """Import the library of the curves in a thread: Start need not wait for it."""
    if "pyqtgraph" not in sys.modules:
        start_worker(_load_curves, slots={})


def _load_curves() -> Generator[None, None, None]:
    yield
    import pyqtgraph  # noqa: F401
