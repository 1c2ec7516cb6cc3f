"""Synthesize: make the missing contrast out of the images that are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QHideEvent, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsynth.errors import MedSynthError

from ._activation import prepare_viewer
from ._passport import PassportWatch
from ._preferences import Preferences, keep, recall
from ._preview import LivePreview
from ._request import Request, chosen_slices, count_slices, make_request
from ._run import SynthesisRun
from ._synthesize_form import SynthesizeForm
from ._torch import warm_up
from ._turns import single_shot
from ._worker import tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.engine import Progress

_DOCK = "synthesize"
_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata")
_WARM_UP_AFTER = 1500  # ms


class SynthesizeWidget(SynthesizeForm):
    """Choose a model, say which layer is which contrast, preview, and run.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._work = _Work(
            napari_viewer,
            LivePreview(napari_viewer, self._request),
            PassportWatch(napari_viewer, self),
        )
        self._choice: tuple[Any, ...] = ()
        self._preferences: Preferences | None = None
        self._is_showing = False
        self.set_from_json(recall(_DOCK))
        self.modality_table.set_layers(napari_viewer.layers)
        self._connect()
        self._on_edited_here()
        self._settle_timer = single_shot(self, 0, self.settle)
        self._settle_timer.start()

    @property
    def is_busy(self) -> bool:
        """Whether a synthesis is running."""
        return self.run_box.is_running

    def run(self) -> None:
        """Start the chosen synthesis; if it is impossible, say why."""
        request = None if self.is_busy else self._request()
        if request is None:
            return
        request = chosen_slices(request, self._viewer.dims.point)
        request = replace(request, passport=self._work.passport.passport)
        self.run_box.start("Starting\N{HORIZONTAL ELLIPSIS}", request.n_slices)
        self._work.preview.hold()
        self._work.run = SynthesisRun(self._viewer, request)
        self._work.run.progressed.connect(self._on_progressed)
        self._work.run.ended.connect(self._on_ended)
        self._work.run.start()

    def cancel(self) -> None:
        """Stop the running synthesis within one batch."""
        if self._work.run is not None:
            self._work.run.cancel()
            self.run_box.show_stopping()

    def settle(self) -> None:
        """Do what would delay the opening: napari reads every plugin's preferences.

        Called by itself once the dock is shown; again, it changes nothing.
        """
        if self._preferences is not None:
            return
        prepare_viewer(self._viewer)
        self._preferences = Preferences()
        if self._preferences.apply_home():
            self.model_box.refresh()
        self._show_preferences()
        self._work.follow_preferences(self._preferences, self._show_preferences)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.model_box.refresh()  # models may have been imported meanwhile
        self._work.preview.set_visible(True)
        self._work.passport.set_visible(True)
        self._warm_up_timer.start()

    def hideEvent(self, event: QHideEvent | None) -> None:
        super().hideEvent(event)
        self._work.preview.set_visible(False)
        self._work.passport.set_visible(False)

    def _connect(self) -> None:
        self.edited.connect(self._on_edited_here)
        self.options_box.changed.connect(self._keep)
        self.options_box.toggled.connect(self._keep)
        self.model_box.card_changed.connect(self._keep)
        self.preview_box.toggled.connect(self._on_preview_toggled)
        self._work.preview.said.connect(self.run_box.say)
        self._work.passport.said.connect(self.run_box.say)
        self.run_box.run_clicked.connect(self.run)
        self.run_box.cancel_clicked.connect(self.cancel)
        for keys, slot in (("Ctrl+Return", self.run), ("Esc", self.cancel)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)
        self._warm_up_timer = single_shot(self, _WARM_UP_AFTER, warm_up)
        self._work.follow_layers(self._on_layers_event)
        self.destroyed.connect(partial(_Work.close, self._work))
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self._work.close)

    def _show_preferences(self) -> None:
        """Choose what napari's Preferences say."""
        preferences = self._preferences
        if preferences is None or self._is_showing:
            return
        self._is_showing = True  # nothing of this is a choice to keep
        self.options_box.set_options(
            {"device": preferences.device, "precision": preferences.precision}
        )
        self.preview_box.setChecked(preferences.live_preview)
        self._is_showing = False

    def _keep(self) -> None:
        if self._preferences is None or self._is_showing:
            return
        options = self.options_box.options()
        self._preferences.keep(
            device=options.device,
            precision=options.precision,
            live_preview=self.preview_box.isChecked(),
        )
        keep(_DOCK, self.to_json())

    def _request(self) -> Request | None:
        """Collect the chosen run, of the whole volume; None if it is impossible."""
        self.settle()
        card = self.card
        if card is None or self._preferences is None or self.reason():
            return None
        try:
            return make_request(
                card,
                self.modality_table.sources(),
                self.modality_table.targets(),
                self.options_box.options(),
                results_folder=self._preferences.results_folder,
            )
        except MedSynthError as err:
            self.run_box.say(tell_error(err))
            return None

    def _on_layers_event(self, event: Any) -> None:
        if event.type in _LAYER_EVENTS:
            self.modality_table.set_layers(self._viewer.layers)
        elif event.type == "data" and event.sources[0] in self._sources():
            self._choice = ()
            self._work.passport.ask(is_new=True)
            self._on_edited_here()

    def _sources(self) -> list[Layer]:
        return list(self.modality_table.sources().values())

    def _on_edited_here(self) -> None:
        """Start the preview anew if slices would come out differently."""
        choice = self.choice()
        if choice == self._choice:
            return
        self._choice = choice
        plane = self.options_box.options().plane
        for layer in self._sources()[:1]:
            self.options_box.set_n_slices(count_slices(layer, plane))
        self._work.preview.reset()
        self._work.passport.ask()

    def _on_preview_toggled(self, is_on: bool) -> None:
        self._work.preview.set_on(is_on)
        self._keep()

    def _on_progressed(self, step: Progress) -> None:
        self.run_box.advance(step.done, step.total, step.message)

    def _on_ended(self, outcome: str) -> None:
        run, self._work.run = self._work.run, None
        self.run_box.end(outcome)
        if run is not None:
            run.deleteLater()
            if not run.is_whole:
                self._work.preview.reset()


class _Work:
    """What a dock has under way; closed once, when the dock or the application ends.

    It is no QObject: docks get no closeEvent, and when ``destroyed`` comes, the
    widget's children are gone and its own methods are not called any more.
    """

    def __init__(
        self, viewer: Viewer, preview: LivePreview, passport: PassportWatch
    ) -> None:
        self._layers = viewer.layers
        self._preferences: Preferences | None = None
        self._on_layers: Callable[..., None] | None = None
        self._on_preferences: Callable[..., None] | None = None
        self.preview = preview
        self.passport = passport
        self.run: SynthesisRun | None = None

    def follow_layers(self, listener: Callable[..., None]) -> None:
        """Call `listener` with every event of the layer list until closed."""
        self._on_layers = listener
        self._layers.events.connect(self._on_layers_event)

    def follow_preferences(
        self, preferences: Preferences, listener: Callable[..., None]
    ) -> None:
        """Call `listener` when preferences change, until closed."""
        self._preferences, self._on_preferences = preferences, listener
        preferences.on_change(self._on_preferences_event)

    def close(self, *args: object) -> None:
        """Stop all work without touching the viewer's layers or any widget."""
        if self._on_layers is None:
            return
        self._on_layers = self._on_preferences = None
        self._layers.events.disconnect(self._on_layers_event)
        if self._preferences is not None:
            self._preferences.off_change(self._on_preferences_event)
        self.preview.abandon()
        self.passport.abandon()
        if self.run is not None:
            self.run.abandon()

    # napari cannot disconnect a method of a widget that is gone: so these are ours

    def _on_layers_event(self, event: Any) -> None:
        if self._on_layers is not None:
            self._on_layers(event)

    def _on_preferences_event(self, event: Any = None) -> None:
        if self._on_preferences is not None:
            self._on_preferences()
