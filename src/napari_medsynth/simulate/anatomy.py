"""The embedded average brain, and individual brains made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from napari_medsynth.resources import resource

from .fields import smooth_field

FULL = 255.0  # the stored value of a voxel that is all one tissue


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Which share of each voxel is which tissue.

    Parameters
    ----------
    shares : ndarray
        uint8, shape (4, Z, Y, X), in the order of `TISSUES` (CSF, GM, WM, lesion); 255
        is a whole voxel. LPS axes, 1 mm.
    origin : tuple of float
        (S, P, L) of voxel (0, 0, 0) [mm].
    """

    shares: NDArray[np.uint8]
    origin: tuple[float, float, float]

    @property
    def brain(self) -> NDArray[np.bool_]:
        """Where there is any tissue, shape (Z, Y, X)."""
        total: NDArray[np.uint16] = self.shares.sum(axis=0, dtype=np.uint16)
        return total > FULL / 2


def load_anatomy(*, texture: float = 0.5) -> Anatomy:
    """Load the ICBM 152 average brain (2009a, nonlinear symmetric, 1 mm).

    Parameters
    ----------
    texture : float
        How much of the template's own T1 variation, which the three maps do not
        explain, is expressed as a shift between grey and white matter: myelin of the
        brain stem, deep grey nuclei. 0 for the maps as published.
    """
    with np.load(resource("anatomy", "icbm152.npz")) as stored:
        maps = [stored[key].astype(np.float32) / 252 for key in ("csf", "gm", "wm")]
        residual = stored["texture"].astype(np.float32) / 16
        s, p, left = stored["origin"].tolist()
    csf, gm, wm = maps
    shift = np.clip(texture * residual, -wm, gm)
    gm, wm = gm - shift, wm + shift
    shares = np.stack([csf, gm, wm, np.zeros_like(csf)])
    return Anatomy(_quantise(shares), (s, p, left))


def individual_anatomy(
    average: Anatomy, rng: np.random.Generator, *, strength: float = 1.0
) -> Anatomy:
    """Make a brain that nobody has: other size, folds, sulci and sharpness.

    An affine map and a sum of smooth displacements (coarse ones large, fine ones small,
    so that the map stays one-to-one) move the average; then the tissue odds are tilted
    by smooth random fields and sharpened, since an average has no crisp sulci.

    Parameters
    ----------
    average : Anatomy
        `load_anatomy` of it.
    rng : Generator
        Source of randomness.
    strength : float
        0 keeps the shape of the average, 1 is the usual variation between adults.
    """
    shape = average.shares.shape[1:]
    coordinates = _warped_coordinates(shape, rng, strength)
    moved = [
        map_coordinates(channel, coordinates, output=np.float32, order=1)
        for channel in average.shares[:3]
    ]
    odds = np.stack(moved) / FULL
    total = odds.sum(axis=0)
    inside = total > 0.5
    odds = odds[:, inside]
    tilt = rng.normal(0, 0.15 * strength, 3)
    for channel, shift in enumerate(tilt):
        noise = smooth_field(shape, rng.uniform(4, 7), rng)[inside]
        odds[channel] *= np.exp(0.5 * strength * noise + shift)
    np.square(odds, out=odds)  # sharpening: p -> p^2 / sum p^2
    odds /= odds.sum(axis=0) + 1e-6
    shares = np.zeros((4, *shape), np.uint8)
    shares[:3, inside] = _quantise(odds * np.minimum(total[inside], 1))
    return replace(average, shares=shares)


def add_lesions(anatomy: Anatomy, rng: np.random.Generator, n_lesions: int) -> Anatomy:
    """Turn `n_lesions` blobs of white matter, radius 2 to 7 mm, into lesion tissue."""
    shares = anatomy.shares.astype(np.float32)
    seeds = np.argwhere(anatomy.shares[2] > 0.9 * FULL)
    if n_lesions == 0 or len(seeds) == 0:
        return anatomy
    for centre in seeds[rng.integers(len(seeds), size=n_lesions)]:
        radius = rng.uniform(1.5, 4, 3) * rng.choice([1.0, 1.0, 1.8])
        low = np.maximum(centre - 10, 0)
        high = np.minimum(centre + 11, shares.shape[1:])
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        offsets = zip(np.ogrid[box], centre, radius, strict=True)
        distance = sum(((axis - c) / r) ** 2 for axis, c, r in offsets)
        blob = np.clip(1.6 - distance, 0, 1)
        taken = blob * shares[2][box]
        shares[2][box] -= taken
        shares[3][box] += taken
    return replace(anatomy, shares=np.round(shares).astype(np.uint8))


def _quantise(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.round(np.clip(shares, 0, 1) * FULL).astype(np.uint8)


def _warped_coordinates(
    shape: tuple[int, ...], rng: np.random.Generator, strength: float
) -> NDArray[np.float32]:
    """Give where each new voxel lies in the average, (3, Z, Y, X) [voxel]."""
    angles = rng.normal(0, 4 * strength, 3)
    matrix = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    # The ICBM average is larger than most brains: shrink by 6 % on average.
    scale = np.exp(rng.normal(0.06, 0.045, 3) * strength)
    matrix = (matrix * scale).astype(np.float32)
    centre = (np.asarray(shape, np.float32) - 1) / 2
    axes = [
        np.arange(n, dtype=np.float32) - c for n, c in zip(shape, centre, strict=True)
    ]
    coordinates = np.empty((3, *shape), np.float32)
    for i in range(3):
        coordinates[i] = centre[i] + (
            matrix[i, 0] * axes[0][:, None, None]
            + matrix[i, 1] * axes[1][:, None]
            + matrix[i, 2] * axes[2]
        )
        for period, size in ((45, 4.5), (20, 1.8), (9, 0.8)):
            coordinates[i] += size * strength * smooth_field(shape, period, rng)
    return coordinates
