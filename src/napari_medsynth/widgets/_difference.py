"""The signed difference of two layers as a layer, with symmetric colours."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import Colormap
from qtpy.QtCore import QObject, Signal

from ._layers import like, unique_name, volume_later
from ._notice import is_synthetic
from ._pair import load_pair, window_of
from ._roles import facts
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.io import Volume

    from ._composite import Window

KIND = "window difference"  # so that its layers are found again
MINUS = "\N{MINUS SIGN}"


def difference_steps(
    first: Callable[[], Volume], second: Callable[[], Volume], windows: list[Window]
) -> Generator[None, None, Volume]:
    """Give ``second - first``, each as shares of its own window, on the first's grid.

    Values beyond a window count as they are, and are not cut off.
    """
    one, other = yield from load_pair(first, second)
    data = windows[1].share(other.data) - windows[0].share(one.data)
    return one.with_data(data)


class Differences(QObject):
    """Makes difference layers and keeps their colours symmetric about 0.

    Signals: `made` with the layer, `said` with a sentence.
    """

    made = Signal(object)
    said = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._range = 0.3
        self._pair: tuple[Image, ...] = ()
        self._worker: GeneratorWorker | None = None
        self._place: dict[str, Any] = {}
        self._known: dict[str, Any] = {}
        self._name = ""
        self._is_setting = False

    @property
    def is_busy(self) -> bool:
        return self._worker is not None

    def start(self, first: Image, second: Image) -> None:
        """Add ``second - first`` as a layer."""
        self.stop()
        windows = [window_of(layer) for layer in (first, second)]
        self._name = f"difference: {second.name} {MINUS} {first.name}"
        self._place = like(first)
        self._known = _metadata(first, second, windows)
        slots: Slots = {
            "returned": self._on_returned,
            "errored": self._on_errored,
        }
        loaders = [volume_later(layer) for layer in (first, second)]
        self._worker = start_worker(difference_steps, *loaders, windows, slots=slots)

    def stop(self) -> None:
        """Forget what is being made."""
        worker, self._worker = self._worker, None
        let_go(worker)

    def set_range(self, share: float) -> None:
        """Give all our difference layers full colour at ±`share` of the window."""
        self._range = share
        for layer in self._viewer.layers:
            if facts(layer).get("kind") == KIND:
                layer.contrast_limits = (-share, share)

    def _on_returned(self, volume: Volume) -> None:
        self._worker = None
        layer = self._viewer.add_image(
            volume.data[0],
            name=unique_name(self._viewer, self._name),
            contrast_limits=(-self._range, self._range),
            colormap=diverging(),
            metadata={"medsynth": self._known},
            **self._place,
        )
        layer.contrast_limits_range = (-1.0, 1.0)
        layer.contrast_limits = (-self._range, self._range)
        layer.events.contrast_limits.connect(self._on_limits)
        self.made.emit(layer)

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.said.emit(tell_error(error))

    def _on_limits(self, event: Any) -> None:
        """Keep 0 in the middle: else the colours would lie."""
        layer = event.source
        low, high = layer.contrast_limits
        if not self._is_setting and low != -high:
            self._is_setting = True
            middle = max((high - low) / 2, 1e-3)
            layer.contrast_limits = (-middle, middle)
            self._is_setting = False


def diverging() -> Colormap:
    """Darker in blue, the same in black, brighter in red."""
    colours = [[0.3, 0.6, 1.0], [0.0, 0.0, 0.0], [1.0, 0.35, 0.25]]
    return Colormap(colours, name="blue-black-red")


def _metadata(first: Image, second: Image, windows: list[Window]) -> dict[str, Any]:
    """As other layers of ours have it: what was subtracted from what, and how."""
    made = second if is_synthetic(second) or not is_synthetic(first) else first
    known = facts(first)
    keys: tuple[str, ...] = ("orientation", "direction")
    kept = {key: known[key] for key in keys if key in known}
    limits = [[window.low, window.high] for window in windows]
    return {
        **kept,
        "role": "difference",
        "kind": KIND,
        "modality": "",
        "synthetic": is_synthetic(first) or is_synthetic(second),
        "path": "",
        "dtype": "float32",
        "warnings": [],
        "provenance": {
            **facts(made).get("provenance", {}),
            "difference": {
                "of": second.name,
                "minus": first.name,
                "windows": limits[::-1],
                "unit": "share of each image's own window",
            },
        },
    }
