"""UncertaintyBox: how far several syntheses differ, and what not to trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsynth.catalogue import list_cards
from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._session import Session
from napari_medsynth.widgets._turns import single_shot
from napari_medsynth.widgets._uncertainty_jobs import (
    DROPOUT,
    VariantSettings,
    estimate,
    why_no_dropout,
)
from napari_medsynth.widgets._uncertainty_maps import Maps
from napari_medsynth.widgets._uncertainty_view import UncertaintyView
from napari_medsynth.widgets._uncertainty_words import calibration_sentence
from napari_medsynth.widgets._work import Work
from napari_medsynth.widgets._worker import tell_error

from .uncertainty_form import UncertaintyForm

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.trust.calibration import Calibration
    from napari_medsynth.trust.uncertainty import Uncertainty, UncertaintyStep
    from napari_medsynth.widgets._request import Request


class UncertaintyBox(QWidget):
    """Spread, mean, interval and a hatched mask of what not to trust, as layers.

    Parameters
    ----------
    viewer : Viewer
    get_request : callable
        Gives what the model is run on, the same object for the same choice; None if it
        cannot be run.
    session : Session, optional
        Where prepared studies and networks are kept; shared with other boxes.

    Attributes
    ----------
    changed : Signal
        A choice that is worth remembering has changed.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: Viewer,
        get_request: Callable[[], Request | None],
        session: Session | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._get_request = get_request
        self._session = session or Session()
        self._reason: str | None = None  # nothing runs before a choice was told
        self._request: Request | None = None
        self._made_with: tuple[Request, VariantSettings] | None = None
        self.form = UncertaintyForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self._run = Work()
        self.view = UncertaintyView(viewer, self.form.get_limit)
        self._reload_timer = single_shot(self, 0, self.reload)
        self._connect()

    @property
    def is_busy(self) -> bool:
        """Whether something is computed, or on its way to the screen."""
        return self._reload_timer.isActive() or self._run.is_busy or self.view.is_busy

    def settings(self) -> VariantSettings:
        """Give how the syntheses are varied."""
        return self.form.settings()

    def set_reason(self, reason: str) -> None:
        """Take note of another choice, and why it cannot be run; "" if it can."""
        self._reason = reason
        self._reload_timer.start()

    def reload(self) -> None:
        """Look again at the choice, and at what was calibrated here."""
        if self._reason is None or not self.isVisible():
            return
        request = None if self._reason else self._get_request()
        if request is not self._request:
            self._request = request
            self._forget()
        if request is not None:
            self.form.set_method_reason(DROPOUT, why_no_dropout(request.card))
        self._offer_others()
        self._show_state()

    def run(self) -> None:
        """Synthesise several times; what was done before is filled further."""
        request, settings = self._request, self.settings()
        if request is None or self._reason or self.form.reason() or self._run.is_busy:
            return
        if self._made_with != (request, settings):
            self.view.forget()
        self._made_with = (request, settings)
        self.view.stop()
        self._session.keep([request])
        self.form.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", 1)
        indices = _indices(request, self.form.extent, self._viewer.dims.point)
        known = self.view.maps
        self._run.start(estimate, self._session, request, settings, indices, known)

    def cancel(self) -> None:
        """Stop at once; what is done stays."""
        if self._run.is_busy:
            self._run.abandon()
            self.form.run_box.end("Cancelled.")
            self.view.mark()

    def close(self) -> bool:
        """Stop all work and follow the viewer no more; again, it changes nothing."""
        for end in self._ends:
            end()
        return bool(super().close())

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return self.form.to_json()

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        self.form.set_from_json(values)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._reload_timer.start()

    def _connect(self) -> None:
        form = self.form
        form.edited.connect(self._on_edited)
        form.limit_changed.connect(self._on_limit_changed)
        form.extent_combo.currentIndexChanged.connect(self.changed)
        form.mean_box.toggled.connect(self._on_mean_toggled)
        form.run_box.run_clicked.connect(self.run)
        form.run_box.cancel_clicked.connect(self.cancel)
        self._run.progressed.connect(self._on_progressed)
        self._run.done.connect(self._on_done)
        self._run.failed.connect(self._on_failed)
        self.view.marked.connect(form.say_marked)
        self.view.failed.connect(form.run_box.say)
        self._ends = [
            partial(Work.abandon, self._run),
            partial(UncertaintyView.abandon, self.view),
        ]
        for end in self._ends:
            self.destroyed.connect(end)

    def _forget(self) -> None:
        """Let go of what belongs to another choice; its layers stay."""
        if self._run.is_busy:
            self._run.abandon()
            self.form.run_box.end("Cancelled: something else was chosen.")
        self._made_with = None
        self.view.forget()

    def _offer_others(self) -> None:
        """Offer the models that could be in an ensemble with the chosen one."""
        request = self._request
        if request is None:
            return
        wanted = (tuple(request.study.modalities), request.targets)
        cards = [
            card
            for card in list_cards()
            if card.spatial_dims == 2
            and (card.id, card.sha256) != (request.card.id, request.card.sha256)
            and not card.why_not(*wanted)
        ]
        self.form.set_others(cards)

    def _show_state(self) -> None:
        self.form.run_box.set_reason(self._reason or self.form.reason())
        request, settings = self._request, self.settings()
        if request is None:
            self.form.statement_label.setText("")
            return
        known = self._calibrations(request, settings)
        sentences = [calibration_sentence(t, c, settings.n) for t, c in known.items()]
        self.form.statement_label.setText("\n".join(sentences))
        is_calibrated = any(known.values())
        self.form.show_limit_of("interval" if is_calibrated else "spread")
        if self._made_with == (request, settings) and not self._run.is_busy:
            has_mean = self.form.mean_box.isChecked()
            self.view.recalibrate(known, has_mean=has_mean)

    def _calibrations(
        self, request: Request, settings: VariantSettings
    ) -> dict[str, Calibration | None]:
        """Give what was measured here, by target."""
        try:
            return {t: settings.calibration_of(request, t) for t in request.targets}
        except MedSynthError as err:
            self.form.run_box.say(tell_error(err))
            return dict.fromkeys(request.targets)

    def _on_edited(self) -> None:
        self._show_state()
        self.changed.emit()

    def _on_limit_changed(self) -> None:
        self.view.follow_limit()
        self.changed.emit()

    def _on_mean_toggled(self, is_on: bool) -> None:
        self.view.show(has_mean=is_on)
        self.changed.emit()

    def _on_progressed(self, step: Maps | UncertaintyStep | None) -> None:
        if step is None or self._made_with is None:
            return
        if isinstance(step, dict):
            request, settings = self._made_with
            facts = {"method": settings.method, "n": settings.n}
            known = self._calibrations(request, settings)
            self.view.begin(request, step, known, facts)
            return
        from napari_medsynth.trust.local_cases import share_of

        if step.slices:
            self.view.fill(step, has_mean=self.form.mean_box.isChecked())
        sentence = f"{step.done} of {step.total} slices"
        self.form.run_box.advance_share(share_of(step), sentence)

    def _on_done(self, found: Uncertainty) -> None:
        self.form.run_box.end("")
        self.view.finish(found)

    def _on_failed(self, sentence: str) -> None:
        self.form.run_box.end(sentence)
        self.view.mark()


def _indices(request: Request, extent: str, point: Any) -> tuple[int, ...]:
    """Give the slices to run; the one on the screen comes first."""
    current, n = request.index_of(point), request.reference.shape[request.axis]
    if extent == "current":
        return (current,)
    return (*range(current, n), *range(current))
