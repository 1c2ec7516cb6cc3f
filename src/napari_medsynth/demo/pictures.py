"""The demonstration as files: NIfTI volumes and one picture, without Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .scene import TARGET, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from napari_medsynth.io import Volume

_GAP = 6  # pixels
_CAPTION = 22
_RANGE_OF_DIFFERENCE = 0.3  # share of the intensity range that is full colour
# Dark, purple, orange, light: equal steps of brightness, read well on grey.
_FIRE = np.array(
    [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]
)
_BLUE, _RED = np.array([60, 140, 255]), np.array([255, 90, 60])


def save_volumes(scene: Scene, folder: Path) -> list[Path]:
    """Write every volume of `scene` as NIfTI; give the files."""
    from napari_medsynth.io import write_volume

    files: list[Path] = []
    for name, volume in scene.volumes().items():
        files += write_volume(volume, folder / f"{name}.nii.gz")
    return files


def save_montage(scene: Scene, path: Path) -> Path:
    """Write one axial slice of every volume side by side as PNG."""
    picture = montage(scene)
    temporary = path.with_suffix(".part.png")
    picture.save(temporary, optimize=True)
    temporary.replace(path)
    return path


def montage(scene: Scene) -> Image:
    """Draw one axial slice of everything: above what there is, below what was made."""
    index = scene.best_slice
    above = [
        (f"{m} (source)", _grey(scene.sources[m], index))
        for m in scene.sources.modalities
    ]
    above.append((f"{TARGET} (truth, hidden)", _grey(scene.truth, index)))
    below = [
        (f"{TARGET} (SYNTHETIC)", _grey(scene.synthetic, index)),
        ("synthesis - truth", _signed(scene.difference.data[0, index])),
    ]
    anatomy = scene.sources[scene.sources.modalities[0]]
    for name, volume in list(scene.attention.items())[: len(above) - len(below)]:
        below.append((f"attention: {name}", _overlay(volume, anatomy, index)))
    return _sheet([above, below])


def _grey(volume: Volume, index: int) -> NDArray[np.uint8]:
    """One slice as RGB, black to white over the volume's own percentiles."""
    data = volume.data[0]
    inside = data[data > data.mean()]
    high = float(np.percentile(inside, 99.5)) if inside.size else 1.0
    grey = np.clip(data[index] / max(high, 1e-6), 0, 1)
    return np.repeat((255 * grey).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


def _signed(difference: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Too dark in blue, too bright in red."""
    share = np.clip(difference / _RANGE_OF_DIFFERENCE, -1, 1)[..., np.newaxis]
    return np.where(share < 0, -share * _BLUE, share * _RED).astype(np.uint8)


def _overlay(attention: Volume, anatomy: Volume, index: int) -> NDArray[np.uint8]:
    """One slice of a low-resolution map over the anatomy at its own place."""
    z = anatomy.origin[0] + index * anatomy.spacing[0]
    layer = round((z - attention.origin[0]) / attention.spacing[0])
    tokens = attention.data[0, int(np.clip(layer, 0, attention.shape[0] - 1))]
    rows, columns = (
        np.clip(
            (
                anatomy.origin[axis]
                + np.arange(anatomy.shape[axis]) * anatomy.spacing[axis]
                - attention.origin[axis]
            )
            / attention.spacing[axis],
            0,
            attention.shape[axis] - 1,
        )
        for axis in (1, 2)
    )
    smooth = _interpolate(_interpolate(tokens, rows).T, columns).T
    low, high = float(tokens.min()), float(tokens.max())
    share = (smooth - low) / max(high - low, 1e-12)
    steps = np.linspace(0, 1, len(_FIRE))
    colour = np.stack([np.interp(share, steps, _FIRE[:, c]) for c in range(3)], -1)
    grey = _grey(anatomy, index).astype(float)
    return np.clip(0.6 * grey + 0.7 * colour, 0, 255).astype(np.uint8)


def _interpolate(
    array: NDArray[np.floating], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sample the rows of `array` at fractional places, linearly."""
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(array) - 1)
    share = (at - below)[:, np.newaxis]
    return (1 - share) * array[below] + share * array[above]


def _sheet(rows: list[list[tuple[str, NDArray[np.uint8]]]]) -> Image:
    """Lay captioned pictures of one size out in rows."""
    from PIL import Image, ImageDraw

    height, width = rows[0][0][1].shape[:2]
    cell = (width + _GAP, height + _GAP + _CAPTION)
    size = (cell[0] * max(map(len, rows)) + _GAP, cell[1] * len(rows) + _GAP)
    sheet = Image.new("RGB", size)
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        for j, (caption, picture) in enumerate(row):
            x, y = j * cell[0] + _GAP, i * cell[1] + _GAP
            draw.text((x, y + 4), caption, fill="white")
            sheet.paste(Image.fromarray(picture), (x, y + _CAPTION))
    return sheet
