"""What a restoring network must beat: interpolation and denoisers of good libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from PIL import Image
from skimage.restoration import (
    denoise_bilateral,
    denoise_nl_means,
    denoise_tv_chambolle,
)
from skimage.transform import resize

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.noise import noise_level
from napari_medsynth.engine.restore import interpolated
from napari_medsynth.io import Volume

Rival = Callable[[Volume], np.ndarray]  # a worse volume to (Z, Y, X)
Score = Callable[[np.ndarray, np.ndarray], float]


def enlargers(card: ModelCard, shape: tuple[int, int, int]) -> dict[str, Rival]:
    """Give interpolations to a grid of `shape`, by name.

    "bicubic" is Keys' (as Pillow's); "cubic spline" is that of scikit-image; Lanczos,
    for pictures only, that of Pillow.
    """
    found: dict[str, Rival] = {
        "bicubic": lambda worse: interpolated(worse, card).data[0],
        "cubic spline": lambda worse: resize(
            worse.data[0], shape, order=3, mode="edge", anti_aliasing=False
        ),
    }
    if card.degradation["kind"] == "downsample":
        found["Lanczos"] = lambda worse: np.stack(
            [
                Image.fromarray(slice_).resize(shape[:0:-1], Image.Resampling.LANCZOS)
                for slice_ in worse.data[0]
            ]
        )
    return found


@dataclass(frozen=True)
class Denoiser:
    """A denoiser of slices, whose strengths are multiples of the noise that it finds.

    Parameters
    ----------
    name : str
    run : callable
        Of a slice, the estimated noise, and settings.
    choices : mapping
        Values of each setting that are tried.
    settings : mapping
        The chosen ones.
    """

    name: str
    run: Callable[..., np.ndarray]
    choices: Mapping[str, Sequence[float]]
    settings: Mapping[str, float] | None = None

    def __call__(self, worse: Volume) -> np.ndarray:
        return np.stack([self._slice(slice_) for slice_ in worse.data[0]])

    def _slice(self, slice_: np.ndarray) -> np.ndarray:
        low, high = float(slice_.min()), float(slice_.max())
        unit = (slice_ - low) / max(high - low, 1e-6)
        sigma = noise_level(Volume(unit[None, None]))
        return self.run(unit, sigma, **self.settings) * (high - low) + low

    def tuned(self, pairs: Sequence[tuple[Volume, Volume]], score: Score) -> Denoiser:
        """Choose the settings with the best mean score on pairs (worse, good)."""
        options = [
            replace(self, settings=dict(zip(self.choices, values, strict=True)))
            for values in product(*self.choices.values())
        ]

        def mean(option: Denoiser) -> float:
            return float(np.mean([score(option(w), g.data[0]) for w, g in pairs]))

        return max(options, key=mean)


def _nl_means(
    image: np.ndarray, sigma: float, strength: float, patch: float
) -> np.ndarray:
    return denoise_nl_means(
        image,
        patch_size=int(patch),
        patch_distance=7,
        h=max(strength * sigma, 1e-6),
        sigma=sigma,
        fast_mode=True,
    )


def _bilateral(
    image: np.ndarray, sigma: float, strength: float, reach: float
) -> np.ndarray:
    return denoise_bilateral(
        image, sigma_color=max(strength * sigma, 1e-6), sigma_spatial=reach
    )


def _total_variation(image: np.ndarray, sigma: float, strength: float) -> np.ndarray:
    return denoise_tv_chambolle(image, weight=max(strength * sigma, 1e-6))


def denoisers() -> tuple[Denoiser, ...]:
    """Give the denoisers of scikit-image that are tried."""
    return (
        Denoiser(
            "non-local means",
            _nl_means,
            {"strength": (0.1, 0.4, 1.0, 2.0, 4.0, 8.0), "patch": (5,)},
        ),
        Denoiser(
            "bilateral",
            _bilateral,
            {"strength": (0.5, 1.0, 2.0, 4.0, 8.0), "reach": (1.5,)},
        ),
        Denoiser(
            "total variation",
            _total_variation,
            {"strength": (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)},
        ),
    )


def middle(volume: Volume, n: int) -> Volume:
    """Give `n` axial slices, evenly spread, as a volume of their own."""
    depth = volume.shape[0]
    index = np.linspace(0.15 * depth, 0.85 * depth, n).round().astype(int)
    return volume.with_data(np.ascontiguousarray(volume.data[:, np.unique(index)]))
