"""A CT slice at a lower dose: the noise of fewer photons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

WATER = 0.0193  # attenuation of water at 70 keV [1/mm]
VIEWS = 1000  # of a scan; computed ones share their photons
LOWEST_HU = -1024.0  # less is padding outside the field of view: nothing was measured
_SHARPNESS = 4  # samples of a filtered view per pixel
_FEWEST_PHOTONS = 1.0  # what a starved detector pixel is taken to have counted


class LowDose:
    """A CT slice that can be scanned at other doses.

    Photons are counted in a simulated parallel-beam sinogram, ``Poisson(n0 exp(-p)) +
    electronic noise``; the difference of its logarithm to the clean line integrals p is
    reconstructed by filtered back-projection (Hann window) and added to the image,
    which thus keeps its own HU and sharpness and gets noise with the texture, the
    streaks behind bone and the scale (variance about 1 / dose) of CT [1]_.

    Parameters
    ----------
    image : ndarray
        (H, W) [HU], finite.
    photons : float
        Per detector pixel and view at full dose, of a scan of `VIEWS` views. A detector
        pixel is as wide as a pixel.
    electronic : float
        Standard deviation of the detector's own noise [photon], per view.
    spacing : float
        Pixel size [mm].

    Notes
    -----
    What surrounds the image is air. Voxels below -1024 HU (padding) never change. The
    image is taken as free of noise; its own stays, below the added one.

    References
    ----------
    .. [1] D. Zeng et al., "A simple low-dose x-ray CT simulation from high-dose scan",
       IEEE TNS 62(5), 2015. https://doi.org/10.1109/TNS.2015.2467219
    """

    def __init__(
        self,
        image: Array,
        *,
        photons: float = 1e6,
        electronic: float = 10.0,
        spacing: float = 1.0,
    ) -> None:
        self._image = np.asarray(image, np.float32)
        self._spacing = spacing
        side = max(self._image.shape)
        self.n_views = max(90, ceil(0.75 * side))
        # One computed view stands for several of the scan.
        self._photons = photons * VIEWS / self.n_views
        self._electronic = electronic * (VIEWS / self.n_views) ** 0.5
        self._n_pixels = ceil(np.hypot(*self._image.shape)) + 4  # the diagonal
        angles = np.arange(self.n_views) * (np.pi / self.n_views)
        self._directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    @cached_property
    def sinogram(self) -> Array:
        """Line integrals of the attenuation, shape (views, detector pixels)."""
        density = np.maximum(self._image / 1000 + 1, 0).ravel() * (
            WATER * self._spacing
        )
        inside = np.flatnonzero(density)
        sums = np.empty((self.n_views, self._n_pixels))
        for view, line in zip(self._positions(1), sums, strict=True):
            position = view.ravel()[inside]
            index = position.astype(np.int32)
            right = density[inside] * (position - index)
            left = density[inside] - right
            n = self._n_pixels
            line[:] = np.bincount(index, left, n) + np.bincount(index + 1, right, n)
        # Pixels are points here; at oblique views their rows would beat with the
        # detector pixels.
        sums[:, 1:-1] = (sums[:, :-2] + 2 * sums[:, 1:-1] + sums[:, 2:]) / 4
        return sums.astype(np.float32)

    def draw(self, dose: float, rng: np.random.Generator) -> Array:
        """Give the slice as scanned with `dose`, a share of the full one [HU]."""
        n0 = self._photons * dose
        # Where metal lets nothing through, the full dose counted no photons either.
        clean = np.minimum(self.sinogram, np.float32(np.log(self._photons)))
        counts = rng.poisson(n0 * np.exp(-clean, dtype=np.float64)).astype(np.float32)
        electronic = rng.standard_normal(counts.shape, dtype=np.float32)
        counts += np.float32(self._electronic) * electronic
        np.maximum(counts, _FEWEST_PHOTONS, out=counts)
        error = np.log(np.float32(n0)) - np.log(counts) - clean
        noise = self._reconstructed(error) * np.float32(1000 / WATER)
        return np.where(self._image < LOWEST_HU, self._image, self._image + noise)

    def _reconstructed(self, views: Array) -> Array:
        """Filter and back-project (views, detector pixels); (H, W) [1/mm]."""
        n = self._n_pixels
        fine = _filtered(views, self._spacing)
        at = np.arange(n * _SHARPNESS) / _SHARPNESS
        total = np.zeros(self._image.shape, np.float32)
        for line, position in zip(fine, self._positions(_SHARPNESS), strict=True):
            dense = np.interp(at, np.arange(n), line).astype(np.float32)
            total += dense[(position + 0.5).astype(np.int32)]
        return total * np.float32(np.pi / self.n_views)

    def _positions(self, sharpness: int) -> Iterator[Array]:
        """Yield where the pixels lie on the detector, (H, W) [1/sharpness pixel]."""
        rows, columns = (
            (np.arange(n, dtype=np.float32) - (n - 1) / 2) for n in self._image.shape
        )
        centre = (self._n_pixels - 1) / 2
        for cosine, sine in self._directions * sharpness:
            across = columns * np.float32(cosine) + np.float32(centre * sharpness)
            yield across + (rows * np.float32(sine))[:, np.newaxis]


def _filtered(views: Array, spacing: float) -> Array:
    """Filter each view by a ramp with a Hann window [1/mm]."""
    from scipy.fft import irfft, rfft

    n = views.shape[1]
    size = 2 ** ceil(log2(2 * n))
    offset = np.fft.fftfreq(size, 1 / size)
    kernel = np.zeros(size)  # the ramp, sampled in space: keeps the mean right
    kernel[0] = 0.25
    is_odd = offset.astype(int) % 2 == 1
    kernel[is_odd] = -1 / (np.pi * offset[is_odd]) ** 2
    frequency = np.fft.rfftfreq(size)
    window = 0.5 + 0.5 * np.cos(2 * np.pi * frequency)
    ramp = (rfft(kernel).real * window / spacing).astype(np.float32)
    filtered: Array = irfft(rfft(views, size, axis=1) * ramp, size, axis=1)[:, :n]
    return filtered
