"""How near a restored image is to the original, and how near the plain one was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume

    Image = NDArray[np.floating]

_MOST_SLICES = 32
_OTHER_GRID = (
    "Not compared: the result ({result}) is not on the grid of the original ({truth}); "
    "choose the factor that the test image was made with."
)


@dataclass(frozen=True)
class Score:
    """PSNR [dB], SSIM (NaN for images below 11 pixels), MAE [share of the range]."""

    psnr: float
    ssim: float
    mae: float


@dataclass(frozen=True)
class Comparison:
    """Scores of the plain image and of the result, and what they refer to.

    Parameters
    ----------
    plain, result : Score or None
        None if they could not be compared: `note` says why.
    low, high : float
        The range of PSNR and SSIM, in the unit of the image.
    unit : str
        "HU" or "".
    note : str
        One or two sentences.
    """

    plain: Score | None
    result: Score | None
    low: float
    high: float
    unit: str
    note: str

    def rows(self, plain_title: str) -> list[list[str]]:
        """Write the scores, one row per image."""
        named = ((plain_title, self.plain), ("Result", self.result))
        return [
            [title, f"{s.psnr:.2f}", _ssim(s.ssim), self._mae(s.mae)]
            for title, s in named
            if s is not None
        ]

    def _mae(self, share: float) -> str:
        if self.unit:
            return f"{share * (self.high - self.low):.1f} {self.unit}"
        return f"{100 * share:.2f} %"


def compared(
    truth: Volume,
    plain: Volume,
    made: Volume,
    card: ModelCard,
    *,
    axis: int = 0,
    index: int | None = None,
) -> Comparison:
    """Compare two images with the original, in its own unit and without any scaling.

    Parameters
    ----------
    truth, plain, made : Volume
        The original, the worse image as it was interpolated to its grid, the result.
        The far end of the original may be longer.
    card : ModelCard
        Its window is the range of PSNR and SSIM, else that of the original is.
    axis, index : int, int
        Which slice; all by default, or 32 of them, evenly spread along the axis.
    """
    unit = unit_of(card)
    if not _fits(truth, made):
        note = _OTHER_GRID.format(result=_grid(made), truth=_grid(truth))
        return Comparison(None, None, 0.0, 0.0, unit, note)
    cut = tuple(slice(n) for n in made.shape)
    original = truth.data[0][cut]
    n = original.shape[axis]
    spread = np.linspace(0, n - 1, min(n, _MOST_SLICES)).round().astype(int)
    wanted = [index] if index is not None else spread.tolist()
    images = [
        np.moveaxis(data, axis, 0)[wanted]
        for data in (original, plain.data[0], made.data[0])
    ]
    low, high = _range(original, card)
    scores = [_score(image, images[0], high - low) for image in images[1:]]
    of_all = "all slices" if len(wanted) == n else f"{len(wanted)} of {n} slices"
    note = (
        f"Range {low:.4g} to {high:.4g} {unit}".rstrip() + f"; {of_all}, air included."
    )
    return Comparison(scores[0], scores[1], low, high, unit, note)


def unit_of(card: ModelCard) -> str:
    """Give the unit of the images of a card: "HU", or "" for what has none."""
    return "HU" if _window(card) else ""


def _score(image: Image, truth: Image, data_range: float) -> Score:
    from napari_medsynth.engine.metrics import WINDOW, mae, psnr, ssim

    can_see_structure = min(truth.shape[-2:]) >= WINDOW
    return Score(
        psnr(image, truth, data_range=data_range),
        ssim(image, truth, data_range=data_range)
        if can_see_structure
        else float("nan"),
        mae(image, truth, data_range=data_range),
    )


def _range(truth: Image, card: ModelCard) -> tuple[float, float]:
    if window := _window(card):
        return window
    values = truth[np.isfinite(truth)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0, 0)
    return (low, high) if high > low else (low, low + 1.0)


def _window(card: ModelCard) -> tuple[float, float] | None:
    spec = card.intensity.get(card.outputs[0], card.intensity.get("*", {}))
    if spec.get("kind") != "window":
        return None
    return float(spec["low"]), float(spec["high"])


def _fits(truth: Volume, made: Volume) -> bool:
    voxel = np.asarray(truth.spacing)
    return (
        all(a >= b for a, b in zip(truth.shape, made.shape, strict=True))
        and np.allclose(truth.spacing, made.spacing, rtol=1e-3)
        and bool(np.all(np.abs(np.subtract(truth.origin, made.origin)) < 0.01 * voxel))
    )


def _grid(volume: Volume) -> str:
    sides: Sequence[str] = [f"{s:.3g}" for s in volume.spacing]
    return f"{' x '.join(sides)} mm"


def _ssim(value: float) -> str:
    return "\N{EN DASH}" if np.isnan(value) else f"{value:.4f}"
