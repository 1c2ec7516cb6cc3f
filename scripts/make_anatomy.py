"""Make ``resources/anatomy/icbm152.npz`` from the ICBM 152 maps that nilearn carries.

    pip install nilearn && python scripts/make_anatomy.py

The maps are the ICBM 2009a nonlinear symmetric average, 1 mm; see LICENSE.txt beside
the result. Grey and white matter come as probabilities, CSF = brain mask * (1 - GM -
WM), and ``texture`` is what is left of the T1 template after the best fit of the three
tissues (myelin, deep grey matter), in units of the white minus grey contrast.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nilearn import datasets
from scipy.ndimage import binary_fill_holes

TARGET = Path(__file__).parents[1] / "resources" / "anatomy" / "icbm152.npz"
MARGIN = 5  # voxels of air around the brain, room for deformation
LEVELS = 64  # steps of a probability: small file, error under 1 %


def main() -> None:
    template = datasets.load_mni152_template(resolution=1)
    maps = {
        "t1": template,
        "gm": datasets.load_mni152_gm_template(resolution=1),
        "wm": datasets.load_mni152_wm_template(resolution=1),
        "mask": datasets.load_mni152_brain_mask(resolution=1),
    }
    # nilearn gives (R, A, S); ours is (S, P, L): transpose and flip two axes.
    arrays = {
        key: np.asarray(image.get_fdata()).transpose(2, 1, 0)[:, ::-1, ::-1]
        for key, image in maps.items()
    }
    arrays["mask"] = binary_fill_holes(arrays["mask"] > 0).astype(float)
    inside = np.argwhere(arrays["mask"])
    low, high = inside.min(0), inside.max(0) + 1
    corner = world_of_voxel(template.affine, template.shape, low - MARGIN)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    t1, gm, wm, mask = (
        np.pad(arrays[key][box], MARGIN) for key in ("t1", "gm", "wm", "mask")
    )
    gm, wm = gm * mask, wm * mask
    csf = mask * np.clip(1 - gm - wm, 0, 1)
    np.savez_compressed(
        TARGET,
        csf=quantise(csf),
        gm=quantise(gm),
        wm=quantise(wm),
        texture=texture(t1, np.stack([csf, gm, wm]), mask > 0),
        origin=np.asarray(corner, dtype=np.float64),
    )


def world_of_voxel(affine, shape, voxel) -> tuple[float, float, float]:
    """Give (S, P, L) [mm] of a voxel of the flipped (Z, Y, X) array."""
    z, y, x = voxel
    right, anterior, superior, _ = affine @ (shape[0] - 1 - x, shape[1] - 1 - y, z, 1)
    return superior, -anterior, -right


def quantise(probability: np.ndarray) -> np.ndarray:
    """Give uint8 0..252 in `LEVELS` steps of 4."""
    return (np.round(probability * (LEVELS - 1)) * 4).astype(np.uint8)


def texture(t1: np.ndarray, tissues: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Give the T1 residual over the white-grey contrast as int8, 1/16 per step."""
    design = tissues[:, inside].T
    weights, *_ = np.linalg.lstsq(design, t1[inside], rcond=None)
    residual = np.zeros(t1.shape)
    residual[inside] = (t1[inside] - design @ weights) / (weights[2] - weights[1])
    return np.clip(np.round(residual * 16), -16, 16).astype(np.int8)


if __name__ == "__main__":
    main()
