"""PassportWatch: looks at the sources when they change, mends them on a click."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_medsynth.errors import MedSynthError
from napari_medsynth.io import Study
from napari_medsynth.io.geometry import layer_metadata

from ._layers import like, unique_name, volume_from_layer
from ._turns import single_shot, stop
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume
    from napari_medsynth.trust.checks import Check
    from napari_medsynth.trust.passport import Passport

    from ._synthesize_form import SynthesizeForm

_DELAY = 400  # ms after the last change

_LOOKING = "Sources: looking at them\N{HORIZONTAL ELLIPSIS}"


@dataclass
class _Fix:
    """A fix that can be taken back."""

    check: Check
    chosen: Mapping[str, Layer | None]  # before it
    old: Layer | None = None
    new: Layer | None = None


@dataclass
class _Known:
    """Volumes of layers as they were last seen, so that they need one look only."""

    volumes: dict[int, tuple[Any, Volume]] = field(default_factory=dict)

    def study(self, sources: Mapping[str, Layer]) -> Study:
        kept: dict[int, tuple[Any, Volume]] = {}
        for modality, layer in sources.items():
            sight = (layer.data, *map(tuple, (layer.scale, layer.translate)), modality)
            known = self.volumes.get(id(layer))
            if known and known[0][0] is sight[0] and known[0][1:] == sight[1:]:
                kept[id(layer)] = known
            else:
                kept[id(layer)] = (sight, volume_from_layer(layer))
        self.volumes = kept
        return Study({m: kept[id(layer)][1] for m, layer in sources.items()})


class PassportWatch(QObject):
    """Keeps the passport box of a form up to date; at most one look at a time.

    Parameters
    ----------
    viewer : Viewer
        Gets the layers of fixes; what was there stays.
    form : SynthesizeForm
        Says what the sources are, and shows the passport.

    ``said`` is emitted with a sentence when something failed.
    """

    said = Signal(str)

    def __init__(self, viewer: Viewer, form: SynthesizeForm) -> None:
        super().__init__()  # no child of the form: it outlives it by a moment
        self._viewer = viewer
        self._form = form
        self._box = form.passport_box
        self._known = _Known()
        self._key: tuple[Any, ...] = ()
        self._worker: GeneratorWorker | None = None
        self._is_stale = False
        self._is_visible = False
        self._fixing: _Fix | None = None
        self._done: list[_Fix] = []
        self.passport: Passport | None = None
        self._timer = single_shot(self, _DELAY, self._on_timeout)
        self._box.fix_asked.connect(self.fix)
        self._box.undo_asked.connect(self.undo)

    def set_visible(self, is_visible: bool) -> None:
        """Wait while the dock is hidden."""
        self._is_visible = is_visible
        self.ask()

    def ask(self, *, is_new: bool = False) -> None:
        """Look at the sources if they are others, or if `is_new` says so."""
        if is_new:
            self._known.volumes = {}
        key = self._key_now()
        if key != self._key or is_new:
            self._key, self.passport, self._is_stale = key, None, True
        if self._is_stale and self._is_visible:
            self._timer.start()

    def fix(self, check: Check) -> None:
        """Do what a check proposes; a registration runs in a worker."""
        table = self._form.modality_table
        sources, chosen = table.sources(), table.chosen()
        layer, other = sources.get(check.modality), sources.get(check.other)
        if layer is None or self._fixing is not None:
            return
        doing = _Fix(check, chosen, old=layer)
        if check.fix == "register" and other is not None:
            self._start_register(doing, layer, other)
        elif check.fix == "swap" and other is not None:
            self._choose(doing, {check.modality: other, check.other: layer})
        elif check.fix == "move":
            self._choose(doing, {check.modality: None, check.other: layer})

    def undo(self) -> None:
        """Take the last fix back: the layers of before, and without its own layer."""
        if not self._done:
            return
        last = self._done.pop()
        if last.new is not None and last.new in self._viewer.layers:
            self._viewer.layers.remove(last.new)
            if last.old is not None and last.old in self._viewer.layers:
                last.old.visible = True
        self._form.modality_table.choose(last.chosen)
        self._offer_undo()

    def abandon(self) -> None:
        """Stop for good, without touching the viewer: it is going away."""
        self._is_visible = False
        stop(self._timer)
        let_go(self._worker)
        self._worker = None

    def _key_now(self) -> tuple[Any, ...]:
        card, table = self._form.card, self._form.modality_table
        layers = tuple((m, id(layer)) for m, layer in table.sources().items())
        plane = self._form.options_box.options().plane
        return (card.id, card.sha256, layers, plane) if card and layers else ()

    def _on_timeout(self) -> None:
        if self._worker is not None:
            if self._fixing is None:
                self._worker.quit()  # it asks again when it has ended
            return
        card = self._form.card
        self._is_stale = False
        if not self._key or card is None:
            self._box.show_nothing()
            return
        try:
            study = self._known.study(self._form.modality_table.sources())
        except MedSynthError:  # a run says it
            self._box.show_nothing()
            return
        self._box.show_busy(_LOOKING)
        plane = self._form.options_box.options().plane
        self._start(_inspect, study, card, plane, returned=self._on_inspected)

    def _start(self, steps: Any, *args: Any, returned: Any) -> None:
        slots: Slots = {
            "returned": returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        self._worker = start_worker(steps, *args, slots=slots)

    def _on_inspected(self, found: tuple[Passport, Study]) -> None:
        if not self._is_stale:
            self.passport = found[0]
            self._box.show_passport(found[0])

    def _start_register(self, doing: _Fix, layer: Layer, other: Layer) -> None:
        if self._worker is not None:
            return
        check = doing.check
        study = self._known.study(self._form.modality_table.sources())
        self._fixing = doing
        self._box.show_busy(f"Registering {check.modality} to {check.other}")
        moving, fixed = study[check.modality], study[check.other]
        self._start(_register, moving, fixed, returned=self._on_registered)

    def _on_registered(self, volume: Volume) -> None:
        doing, table = self._fixing, self._form.modality_table
        other = table.sources().get(doing.check.other) if doing else None
        if doing is None or doing.old is None or other is None:
            return
        doing.new = self._viewer.add_image(
            volume.data[0],
            name=unique_name(self._viewer, f"{doing.old.name} (registered)"),
            metadata={"medsynth": layer_metadata(volume)},
            contrast_limits=doing.old.contrast_limits,
            colormap=doing.old.colormap,
            **like(other),
        )
        doing.old.visible = False
        self._choose(doing, {doing.check.modality: doing.new})

    def _choose(self, doing: _Fix, changed: Mapping[str, Layer | None]) -> None:
        self._done.append(doing)
        self._form.modality_table.choose({**doing.chosen, **changed})
        self._offer_undo()

    def _offer_undo(self) -> None:
        last = self._done[-1].check if self._done else None
        self._box.set_undo(f"{last.fix} {last.modality}" if last else "")

    def _on_errored(self, error: Exception) -> None:
        self.said.emit(tell_error(error))

    def _on_finished(self) -> None:
        self._worker = self._fixing = None
        if self._is_stale:
            self.ask()
        elif self.passport is not None:
            self._box.show_passport(self.passport)


def _inspect(
    study: Study, card: ModelCard, plane: str
) -> Generator[str, None, tuple[Passport, Study]]:
    from napari_medsynth.trust.passport import inspect_steps

    passport = yield from inspect_steps(study, card, study.modalities, plane=plane)
    return passport, study


def _register(moving: Volume, fixed: Volume) -> Generator[str, None, Volume]:
    from napari_medsynth.prepare import register

    yield "registering"
    return register(moving, fixed)
