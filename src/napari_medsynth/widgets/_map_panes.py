"""MapPanes: attention and trust maps over their anatomy, one layer each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._composite import Composite, Over
from ._layers import like, unique_name, volume_later
from ._pair import load_pair, window_of
from ._roles import facts
from ._turns import single_shot
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.io import Volume

    Pair = tuple[Image, Image]  # anatomy, map
    Loader = Callable[[], Volume]
    Steps = list[Callable[[], None]]

HELPER = "helper"  # role of layers that only show others
_FOLLOWED = ("contrast_limits", "gamma", "colormap", "opacity", "blending")


class MapPanes(QObject):
    """Paints maps over anatomy: a cell of napari's grid is filled by one layer.

    The layers follow the windows, colours and opacity of the two that they show.

    Signals: `ready` when all that was asked for can be shown, `said` with a sentence.
    """

    ready = Signal()
    said = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._loaded: dict[Pair, Composite] = {}
        self._layers: dict[Pair, Image] = {}
        self._wanted: list[Pair] = []
        self._worker: GeneratorWorker | None = None
        self._stale: set[Pair] = set()
        self._draw_timer = single_shot(self, 0, self._draw)

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """Bring every map to the grid of its anatomy; `ready` follows."""
        self.stop()
        self._wanted = list(pairs)
        missing = [pair for pair in pairs if pair not in self._loaded]
        if not missing:
            self.ready.emit()
            return
        loaders = [tuple(map(volume_later, pair)) for pair in missing]
        slots: Slots = {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
        }
        self._worker = start_worker(_load_all, missing, loaders, slots=slots)

    def stop(self) -> None:
        """Prepare no more."""
        worker, self._worker = self._worker, None
        let_go(worker)

    def layer_of(self, pair: Pair) -> Image | None:
        """Give the layer that shows a pair, if it is in the viewer."""
        layer = self._layers.get(pair)
        return layer if layer is not None and layer in self._viewer.layers else None

    def add(self) -> Steps:
        """Give the steps that add the layers which are wanted, and remove others."""
        gone = [pair for pair in self._layers if pair not in self._wanted]
        steps: Steps = [partial(self._remove, gone)] if gone else []
        new = [pair for pair in self._wanted if self.layer_of(pair) is None]
        return steps + [partial(self._add, pair) for pair in new]

    def remove(self) -> Steps:
        """Give the steps that take all layers away."""
        self.stop()
        self._wanted = []
        return self.add()

    def forget(self) -> None:
        """Follow no layer any more, and leave the viewer alone."""
        self.stop()
        self._draw_timer.stop()
        for pair in list(self._layers):
            self._unfollow(pair)
        self._layers, self._loaded = {}, {}

    def _add(self, pair: Pair) -> None:
        composite = self._loaded.get(pair)
        if composite is None or any(x not in self._viewer.layers for x in pair):
            return
        anatomy, map_ = pair
        kept = set(self._viewer.layers.selection)
        self._layers[pair] = self._viewer.add_image(
            composite,
            rgb=True,
            multiscale=False,
            contrast_limits=(0, 255),
            name=unique_name(self._viewer, f"{map_.name} over {anatomy.name}"),
            metadata={
                "medsynth": {**facts(anatomy), "role": HELPER, "synthetic": True}
            },
            **like(anatomy),
        )
        self._viewer.layers.selection = kept
        for layer in pair:
            for name in _FOLLOWED:
                getattr(layer.events, name).connect(self._on_look)
            layer.events.data.connect(self._on_data)

    def _remove(self, pairs: Sequence[Pair]) -> None:
        """Take layers away, together: napari collects garbage after each removal."""
        layers = self._viewer.layers
        with layers.batched_update():
            for pair in pairs:
                layer = self.layer_of(pair)
                self._unfollow(pair)
                del self._layers[pair]
                self._loaded.pop(pair, None)
                if layer is not None:
                    layers.remove(layer)

    def _unfollow(self, pair: Pair) -> None:
        others = {layer for p in self._layers if p != pair for layer in p}
        for layer in pair:
            if layer not in others:
                for name in _FOLLOWED:
                    getattr(layer.events, name).disconnect(self._on_look)
                layer.events.data.disconnect(self._on_data)

    def _on_yielded(self, step: tuple[Pair, tuple[Volume, Volume]] | None) -> None:
        if step is None:
            return
        pair, volumes = step
        first, second = (volume.data[0] for volume in volumes)
        windows = [window_of(layer) for layer in pair]
        self._loaded[pair] = Composite(first, second, windows, _over(pair[1]))

    def _on_returned(self, result: object) -> None:
        self._worker = None
        self.ready.emit()

    def _on_errored(self, error: Exception) -> None:
        """Show the others; what cannot be laid over this anatomy is left out."""
        self._worker = None
        self.said.emit(tell_error(error))
        self.ready.emit()

    def _on_look(self, event: Any) -> None:
        self._stale.update(p for p in self._layers if event.source in p)
        self._draw_timer.start()

    def _draw(self) -> None:
        for pair in self._stale:
            layer = self.layer_of(pair)
            if layer is not None:
                composite: Composite = layer.data
                composite.windows = [window_of(x) for x in pair]
                composite.pattern = _over(pair[1])
                layer.refresh(extent=False, thumbnail=False)
        self._stale.clear()

    def _on_data(self, event: Any) -> None:
        """Another array: the picture is made anew with the next arrangement."""
        self._remove([pair for pair in self._layers if event.source in pair])


def _over(map_: Layer) -> Over:
    return Over(float(map_.opacity), map_.blending == "additive")


def _load_all(
    pairs: Sequence[Pair], loaders: Sequence[tuple[Loader, Loader]]
) -> Generator[Any, None, None]:
    """Yield each pair with its volumes, on the grid of the first."""
    for pair, (first, second) in zip(pairs, loaders, strict=True):
        volumes = yield from load_pair(first, second)
        yield pair, volumes
