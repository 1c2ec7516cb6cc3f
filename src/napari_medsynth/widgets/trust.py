"""Trust: what a synthesis was made of, and how far to believe it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QWidget

from napari_medsynth.errors import MedSynthError

from ._trust_form import TrustForm
from ._trust_view import TrustView
from ._trust_words import why_not_shared
from ._turns import single_shot
from ._worker import tell_error
from .parts.advice_view import AdviceView
from .parts.consistency_box import ConsistencyBox
from .parts.contribution_box import ContributionBox
from .parts.site_box import SiteBox
from .parts.uncertainty_box import UncertaintyBox

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.catalogue import ModelCard

    from ._request import Request
    from .parts.options_box import RunOptions

AFTER_SHOWING = 1200  # ms; before torch is loaded, which slows all else down


class TrustWidget(TrustForm):
    """Contributions of the scans, advice, consistency and uncertainty of a synthesis.

    Every part is built as ``Box(viewer, self.request)`` and has ``set_reason(str)``,
    called when another choice was made, and ``close()``. Optionally it has
    ``cancel()``, ``to_json()``, ``set_from_json(values)`` and a signal ``changed``.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.

    Attributes
    ----------
    changed : Signal
        Another model, image, target or plane was chosen, or an image has changed.
    is_ready : bool
        Models may run: the dock has been on the screen for a while.
    """

    changed = Signal()

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self.view = TrustView(napari_viewer)
        self._failure = ""
        self.is_ready = False
        session = self.view.session
        self.contribution_box = ContributionBox(napari_viewer, self.request, session)
        self.advice_view = AdviceView()
        self.consistency_box = ConsistencyBox(napari_viewer, self.request)
        self.uncertainty_box = UncertaintyBox(napari_viewer, self.request, session)
        self.site_box = SiteBox(
            napari_viewer, self.request, self.model, self.uncertainty_box.settings
        )
        self.add_section("What did each scan contribute?", self.contribution_box)
        self.add_section("Which missing scan would help?", self.advice_view)
        self.add_section("How sure?", self.uncertainty_box, is_open=False)
        self.add_section("At this site", self.site_box, is_open=False)
        self.add_section("Consistency", self.consistency_box, is_open=False)
        self._show_timer = single_shot(self, AFTER_SHOWING, self._on_shown)
        self._tell_timer = single_shot(self, 0, self._tell)
        self._connect()
        self.set_layers(list(napari_viewer.layers))
        self._tell()
        self.on_close(partial(TrustView.close, self.view))

    def boxes(self) -> dict[str, Any]:
        """Give the parts of the sections, by the names under which they remember."""
        return {
            "contribution": self.contribution_box,
            "uncertainty": self.uncertainty_box,
            "site": self.site_box,
            "consistency": self.consistency_box,
        }

    def model(self) -> tuple[ModelCard | None, RunOptions]:
        """Give the chosen model and how it is run, also without images."""
        return self.card, self.options()

    def request(self) -> Request | None:
        """Give what the model is run on: the same object until something changes.

        None if it cannot be run; `reason` says why.
        """
        self.settle()
        card, table = self.card, self.modality_table
        self._failure = ""
        if card is None or self.reason():
            return None
        try:
            requests, reasons = self.view.requests.make(
                {card.title: card}, table.sources(), table.targets(), self.options()
            )
        except MedSynthError as err:
            requests, reasons = {}, {card.title: tell_error(err)}
        self._failure = reasons.get(card.title, "")
        self._say()
        return requests.get(card.title)

    def reason(self) -> str:
        """Say why the model cannot be run; "" if it can."""
        return super().reason() or self._failure

    def to_json(self) -> dict[str, Any]:
        known = {
            name: box.to_json()
            for name, box in self.boxes().items()
            if hasattr(box, "to_json")
        }
        model = self.card.id if self.card else ""
        return {**known, "model": model, "plane": self.plane_combo.currentData()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        for name, box in self.boxes().items():
            kept = values.get(name)
            if hasattr(box, "set_from_json"):
                box.set_from_json(kept if isinstance(kept, dict) else {})
        self.model_box.choose(str(values.get("model", "")))
        self.plane_combo.setCurrentIndex(
            max(self.plane_combo.findData(values.get("plane")), 0)
        )

    def cancel(self) -> None:
        """Stop all long work at once."""
        for box in self.boxes().values():
            if hasattr(box, "cancel"):
                box.cancel()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._show_timer.start()

    def _connect(self) -> None:
        self.edited.connect(self._tell_timer.start)
        self.edited.connect(self.remember)
        self.view.layers_changed.connect(self._on_layers_changed)
        self.view.data_changed.connect(self._on_data_changed)
        for box in self.boxes().values():
            if hasattr(box, "changed"):
                box.changed.connect(self.remember)
        self.uncertainty_box.changed.connect(self.site_box.refresh)
        self.site_box.calibrated.connect(self.uncertainty_box.reload)
        self.site_box.measured.connect(self.show_known)
        for section in self.sections.values():
            section.toggled.connect(self.remember)
        shortcut = QShortcut(QKeySequence("Esc"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.cancel)

    def _on_shown(self) -> None:
        """Look for new models; from now on, models may run."""
        self.model_box.refresh()
        self.is_ready = True
        self._tell()

    def _on_layers_changed(self) -> None:
        self.set_layers(list(self._viewer.layers))

    def _on_data_changed(self, layer: Layer) -> None:
        if layer in self.modality_table.sources().values():
            self.view.requests.forget()
            self._tell_timer.start()

    def _tell(self) -> None:
        """Tell all parts that something else may have been chosen."""
        self._failure = ""
        self._say()
        if self.is_ready:
            others = {"contribution": why_not_shared(self.card)}
            for name, box in self.boxes().items():
                box.set_reason(self.reason() or others.get(name, ""))
            self.show_known()
            self.changed.emit()

    def show_known(self) -> None:
        """Show what was measured at this site and elsewhere, read anew."""
        table = self.modality_table
        self.advice_view.show_choice(self.card, tuple(table.sources()), table.targets())

    def _say(self) -> None:
        reason = self.reason()
        self.reason_label.setText(reason)
        self.reason_label.setVisible(bool(reason))
