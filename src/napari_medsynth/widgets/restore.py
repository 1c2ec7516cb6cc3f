"""Super-resolve and denoise: a finer or cleaner image of the one that is open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QScrollArea, QWidget

from napari_medsynth.errors import MedSynthError
from napari_medsynth.io.geometry import layer_metadata

from ._layers import like, over, unique_name, volume_later
from ._preferences import Preferences
from ._restore_form import TEST, RestoreForm
from ._restore_run import RestoreRun
from ._restore_work import RestoreRequest, make_worse
from ._turns import single_shot
from ._watch import Watch
from ._work import Work
from ._worker import tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_medsynth.engine import Progress
    from napari_medsynth.io import Volume

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata", "name")
_PLAIN = {"super-resolution": "Interpolated", "denoising": "Noisy"}


class RestoreWidget(RestoreForm):
    """Choose a model and an image, run, and test the model on an image of one's own.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, parent)
        self._going = _Going(napari_viewer)
        self._truths: list[tuple[Layer, Layer]] = []  # test image, original
        self._steps: list[list[Layer]] = []  # that Undo takes away, the last one last
        self._asked: tuple[Layer, dict[str, Any]] | None = None
        self._scroll_timer = single_shot(self, 0, self._scroll_to_scores)
        self._connect()
        self._on_layers_changed()
        self.on_close(partial(_Going.close, self._going))

    @property
    def is_busy(self) -> bool:
        """Whether an image is being restored or made worse."""
        return self.run_box.is_running or self._going.making.is_busy

    def run(self) -> None:
        """Restore the chosen image; if it is impossible, say why."""
        self.settle()
        request = None if self.is_busy or self.reason() else self._request()
        if request is None:
            return
        self.run_box.start("Reading the image\N{HORIZONTAL ELLIPSIS}", 0)
        self.degrade_box.show_scores(())
        self._going.run = RestoreRun(self._viewer, request)
        self._going.run.progressed.connect(self._on_progressed)
        self._going.run.ended.connect(self._on_ended)
        self._going.run.start()
        self._update_undo()

    def make_test(self) -> None:
        """Make a worse image of the chosen one, add it, and choose it."""
        self.settle()
        layer = self._original(self.layer)
        if self.is_busy or layer is None or self.reason():
            return
        plane = self.restore_box.options().plane
        planes = self.card.planes if self.card is not None else ()
        try:
            self._asked = layer, like(layer)
            load = volume_later(layer)
        except MedSynthError as err:
            self.run_box.say(tell_error(err))
            return
        self.run_box.start("Making the test image\N{HORIZONTAL ELLIPSIS}", 0)
        spec = self.degrade_box.spec()
        self._going.making.start(make_worse, load, spec, plane or planes[0])
        self.remember()

    def cancel(self) -> None:
        """Stop what is running; slices that are done stay."""
        if self._going.run is not None:
            self._going.run.cancel()
            self.run_box.show_stopping()
        elif self._going.making.is_busy:
            self._going.making.abandon()
            self.run_box.end("Cancelled.")

    def undo(self) -> None:
        """Take the layers of the last run, or the last test image, away."""
        if self.is_busy or not self._steps:
            return
        gone = self._steps.pop()
        originals = [truth for test, truth in self._truths if test in gone]
        for layer in gone:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._on_layers_changed()
        for layer in originals:
            self.image_combo.choose(layer)
        self.run_box.say("Taken back.")

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.model_box.refresh()  # models may have been imported meanwhile

    def _connect(self) -> None:
        self.edited.connect(self.remember)
        for section in self.sections.values():
            section.toggled.connect(self.remember)
        self.degrade_box.make_clicked.connect(self.make_test)
        self.undo_button.clicked.connect(self.undo)
        self.run_box.run_clicked.connect(self.run)
        self.run_box.cancel_clicked.connect(self.cancel)
        self._going.layers.heard.connect(self._on_layers_changed)
        self._going.making.progressed.connect(self._on_making)
        self._going.making.done.connect(self._on_made)
        self._going.making.failed.connect(self.run_box.end)
        for keys, slot in (
            ("Ctrl+Return", self.run),
            ("Esc", self.cancel),
            ("Ctrl+Z", self.undo),
        ):
            self.shortcut(keys, slot)

    def _request(self) -> RestoreRequest | None:
        """Collect the run; None, and a sentence, if it is impossible."""
        card, layer = self.card, self.layer
        if card is None or layer is None:
            return None
        preferences = Preferences()
        low, high = (float(limit) for limit in layer.contrast_limits)
        try:
            request = RestoreRequest(
                load=volume_later(layer),
                card=card,
                place=like(layer),
                contrast_limits=(low, high),
                options=self.restore_box.options(),
                point=tuple(self._viewer.dims.point),
                results_folder=preferences.results_folder,
            )
            truth = self._truth_of(layer)
            return request if truth is None else replace(request, truth=truth)
        except MedSynthError as err:
            self.run_box.say(tell_error(err))
            return None

    def _truth_of(self, layer: Layer) -> Callable[[], Volume] | None:
        original = self._original(layer)
        return None if original in (None, layer) else volume_later(original)

    def _original(self, layer: Layer | None) -> Layer | None:
        """Give what a test image was made of; other layers are their own original."""
        return next((truth for test, truth in self._truths if test is layer), layer)

    def _on_layers_changed(self) -> None:
        layers = self._viewer.layers
        self._truths = [
            pair for pair in self._truths if all(layer in layers for layer in pair)
        ]
        kept = [[x for x in step if x in layers] for step in self._steps]
        self._steps = [step for step in kept if step]
        self.image_combo.set_layers(layers, layers.selection.active)
        self._on_edited()
        self._update_undo()

    def _on_progressed(self, step: Progress) -> None:
        done, n_tiles = step.tiles
        if n_tiles:
            share = (step.done + done / n_tiles) / max(step.total, 1)
            self.run_box.advance_share(share, f"tile {done} of {n_tiles}")
        else:
            self.run_box.advance(step.done, step.total, step.message)

    def _on_ended(self, outcome: str) -> None:
        run, self._going.run = self._going.run, None
        self.run_box.end(outcome)
        if run is None:
            return
        self._steps.append(list(run.layers))
        if run.restored is not None and run.restored.comparison is not None:
            title = _PLAIN.get(self.model_box.task, "Worse")
            found = run.restored.comparison
            self.degrade_box.show_scores(found.rows(title), found.note)
            self.sections[TEST].expand(animate=False)
            self._scroll_timer.start()  # once the table has its height
        run.deleteLater()
        self._on_layers_changed()

    def _scroll_to_scores(self) -> None:
        area = self.findChild(QScrollArea)
        if area is not None:
            area.ensureWidgetVisible(self.degrade_box.note_label)

    def _on_making(self, share: float) -> None:
        self.run_box.advance_share(share, "Making the test image")

    def _on_made(self, volumes: tuple[Volume, Volume]) -> None:
        """Add the worse image over the original, and choose it."""
        self.run_box.end("")
        if self._asked is None:
            return
        (original, worse), (layer, place) = volumes, self._asked
        test = self._viewer.add_image(
            worse.data[0],
            name=unique_name(self._viewer, worse.name),
            contrast_limits=layer.contrast_limits,
            colormap=layer.colormap,
            metadata={"medsynth": layer_metadata(worse)},
            **over(worse, original, place),
        )
        self._truths.append((test, layer))
        self._steps.append([test])
        self.degrade_box.show_scores(())
        self._on_layers_changed()
        self.image_combo.choose(test)
        sides = " x ".join(f"{side:.3g}" for side in worse.spacing)
        self.run_box.say(f"Made {test.name}, {sides} mm. It is chosen: press Run.")

    def _update_undo(self) -> None:
        self.undo_button.setEnabled(bool(self._steps) and not self.is_busy)


class _Going:
    """What the dock has under way; closed once, when it or the application ends."""

    def __init__(self, viewer: Viewer) -> None:
        events = viewer.layers.events
        self.layers = Watch(
            events, viewer.layers.selection.events.active, only=_LAYER_EVENTS
        )
        self.making = Work()
        self.run: RestoreRun | None = None

    def close(self, *_: object) -> None:
        """Stop all work without touching the viewer's layers or any widget."""
        self.layers.close()
        self.making.abandon()
        run, self.run = self.run, None
        if run is not None:
            with suppress(RuntimeError):  # Qt went first, at the end of the session
                run.abandon()
