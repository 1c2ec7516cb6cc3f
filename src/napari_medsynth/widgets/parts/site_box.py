"""SiteBox: what a model is worth at this site, measured on local subjects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QVBoxLayout, QWidget

from .calibration_box import CalibrationBox
from .options_box import RunOptions
from .self_test_box import SelfTestBox
from .subjects_box import SubjectsBox

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.widgets._request import Request
    from napari_medsynth.widgets._uncertainty_jobs import VariantSettings

_NO_MODEL = "Choose a model above."


class SiteBox(QWidget):
    """Local subjects, the self-test and the calibration of the uncertainty.

    Parameters
    ----------
    viewer : Viewer
    get_request : callable
        Gives what the model is run on; None if it cannot be run.
    get_model : callable
        Gives the chosen model, or None, and how it is run: a self-test needs no images
        on the screen.
    get_settings : callable
        Gives how syntheses are varied.

    Attributes
    ----------
    measured, calibrated : Signal
        A self-test, or a calibration, was kept or forgotten.
    changed : Signal
        A choice that is worth remembering has changed.
    """

    measured = Signal()
    calibrated = Signal()
    changed = Signal()

    def __init__(
        self,
        viewer: Viewer,
        get_request: Callable[[], Request | None],
        get_model: Callable[[], tuple[ModelCard | None, RunOptions]],
        get_settings: Callable[[], VariantSettings],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._get_model = get_model
        self._reason: str | None = None
        self.subjects_box = SubjectsBox(viewer)
        place = self.subjects_box.place
        self.self_test_box = SelfTestBox(place)
        self.calibration_box = CalibrationBox(get_request, get_settings, place)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.subjects_box, self.self_test_box, line, self.calibration_box):
            column.addWidget(part)
        self.subjects_box.changed.connect(self.refresh)
        self.self_test_box.measured.connect(self.measured)
        self.calibration_box.calibrated.connect(self.calibrated)
        for part in self._parts().values():
            part.changed.connect(self.changed)

    @property
    def is_busy(self) -> bool:
        """Whether the model is tested or calibrated."""
        return self.self_test_box.is_busy or self.calibration_box.is_busy

    def set_reason(self, reason: str) -> None:
        """Take note of another choice, and why it cannot be run; "" if it can."""
        self._reason = reason
        card, options = self._get_model()
        self.subjects_box.set_card(card)
        missing = _NO_MODEL if card is None else why_not_here(card)
        missing = missing or self.subjects_box.reason()
        self.self_test_box.set_choice(card, options, missing)
        self.calibration_box.set_reason(reason or missing)

    def refresh(self) -> None:
        """Look at the choice again."""
        if self._reason is not None:
            self.set_reason(self._reason)

    def cancel(self) -> None:
        """Stop all work at once."""
        self.self_test_box.cancel()
        self.calibration_box.cancel()

    def close(self) -> bool:
        """Stop all work and follow the viewer no more; again, it changes nothing."""
        for part in self._parts().values():
            part.close()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {name: part.to_json() for name, part in self._parts().items()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        for name, part in self._parts().items():
            kept = values.get(name)
            part.set_from_json(kept if isinstance(kept, dict) else {})

    def _parts(self) -> dict[str, Any]:
        return {
            "subjects": self.subjects_box,
            "self_test": self.self_test_box,
            "calibration": self.calibration_box,
        }


def why_not_here(card: ModelCard) -> str:
    """Say why a model is not tested on scans of subjects; "" if it is."""
    if not card.is_restoration:
        return ""
    return (
        f"{card.title} restores an image: “Test on my own image” in Super-resolve and "
        "denoise measures it here."
    )
