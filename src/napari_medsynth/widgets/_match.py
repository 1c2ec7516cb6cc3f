"""Windows in which two images are equally bright."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from ._layers import volume_later
from ._pair import load_pair, window_of
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.qt.threading import GeneratorWorker
    from numpy.typing import NDArray

    from napari_medsynth.io import Volume

_BACKGROUND = 1  # percentile of all voxels
_AT_MOST = 500_000  # voxels that are looked at
_LEAST = 100


class WindowMatch(QObject):
    """Finds the window of a second image that makes it as bright as the first.

    Signals: `matched` with the second layer and its new (low, high), `said` with a
    sentence.
    """

    matched = Signal(object, object)
    said = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._second: Image | None = None
        self._worker: GeneratorWorker | None = None

    def start(self, first: Image, second: Image) -> None:
        """Look at both images, in a thread."""
        self.stop()
        self._second, window = second, window_of(first)
        loaders = [volume_later(layer) for layer in (first, second)]
        limits = (window.low, window.high)
        slots: Slots = {"returned": self._on_returned, "errored": self._on_errored}
        self._worker = start_worker(match_steps, *loaders, limits, slots=slots)

    def stop(self) -> None:
        """Forget what was asked for."""
        worker, self._worker = self._worker, None
        let_go(worker)

    def _on_returned(self, limits: tuple[float, float] | None) -> None:
        self._worker = None
        if limits is None:
            self.said.emit("The two images share too little to match their windows.")
        else:
            self.matched.emit(self._second, limits)

    def _on_errored(self, error: Exception) -> None:
        self._worker = None
        self.said.emit(tell_error(error))


def match_steps(
    first: Callable[[], Volume],
    second: Callable[[], Volume],
    limits: tuple[float, float],
) -> Generator[None, None, tuple[float, float] | None]:
    """Give the contrast limits in which the second image is as bright as the first.

    Parameters
    ----------
    first, second : callable
        As `volume_later` gives them.
    limits : (low, high)
        Of the first image.

    Returns
    -------
    (low, high), or None if the images have too little foreground in common.
    """
    one, other = yield from load_pair(first, second)
    return matched_limits(one.data[0], other.data[0], limits)


def matched_limits(
    one: NDArray[np.float32], other: NDArray[np.float32], limits: tuple[float, float]
) -> tuple[float, float] | None:
    """Carry `limits` over by a shift of the background and one factor.

    The background is the first percentile of all voxels; the factor makes the medians
    of the common foreground equal. A line through two percentiles of the foreground
    would fit tissues better and tint the background.
    """
    step = max(one.size // _AT_MOST, 1)
    a, b = one.ravel()[::step], other.ravel()[::step]
    is_finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[is_finite], b[is_finite]
    is_inside = (a > a.mean()) & (b > b.mean()) if a.size else np.zeros(0, bool)
    if is_inside.sum() < _LEAST:
        return None
    dark_a, dark_b = (float(np.percentile(x, _BACKGROUND)) for x in (a, b))
    bright_a, bright_b = (float(np.median(x[is_inside])) for x in (a, b))
    if not (bright_a > dark_a and bright_b > dark_b):
        return None
    factor = (bright_b - dark_b) / (bright_a - dark_a)
    low, high = (dark_b + factor * (limit - dark_a) for limit in limits)
    return low, high
