"""Slices side by side as PNG: sources, synthesis, truth, and their difference."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.engine.intensity import Normalisation, fit_normalisation
from napari_medsynth.engine.slices import PLANES
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import same_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw, ImageFont

    from napari_medsynth.io import Volume

    Limits = tuple[float, float]
    RGB = NDArray[np.uint8]

FULL_COLOUR = 0.3
"""Share of the intensity range at which a difference has its full colour."""

_HEIGHT = 320  # pixels that a slice gets at least, by whole factors
_GAP, _CAPTION, _BAR = 8, 24, 14  # pixels
_MARK = "SYNTHETIC"
_TEXT, _WARNING, _BACKGROUND = (225, 225, 225), (255, 170, 60), (18, 18, 18)
_BLUE, _RED = np.array([60, 140, 255]), np.array([255, 90, 60])


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a report.

    Parameters
    ----------
    caption : str
        What it shows, in one sentence.
    image : bytes or ndarray
        PNG, or uint8 (H, W) or (H, W, 3).
    """

    caption: str
    image: bytes | NDArray[np.uint8]

    @property
    def png(self) -> bytes:
        """The picture as PNG."""
        if isinstance(self.image, bytes):
            return self.image
        from PIL import Image

        return _png(Image.fromarray(self.image))


def comparison_picture(
    volumes: Mapping[str, Volume],
    index: int,
    plane: str = "axial",
    limits: Mapping[str, Limits] | None = None,
    *,
    difference: tuple[str, str] | None = None,
) -> bytes:
    """Draw one slice of several volumes in a row, as radiologists look at them.

    Patient left is on the right, anterior or superior above. Synthetic volumes are
    marked as such.

    Parameters
    ----------
    volumes : mapping
        Caption to volume of one channel; all on one grid, drawn in their order.
    index : int
        Of the slice, along the plane's axis of the arrays.
    plane : {"axial", "coronal", "sagittal"}
    limits : mapping, optional
        Caption to the values that are black and white, in the volume's unit; without,
        its percentiles (see `fit_normalisation`).
    difference : tuple of str, optional
        Captions of the synthesis and the truth: a last cell shows the first minus the
        second, each scaled by its limits; blue is too dark, red too bright, full colour
        at 30 % of the range, the same on both sides.

    Returns
    -------
    bytes
        PNG.

    Raises
    ------
    VolumeError
        If the grids differ, or there is no such plane, slice or caption.
    """
    if plane not in PLANES:
        raise VolumeError(f"The plane must be one of {', '.join(PLANES)}, got {plane}.")
    _check(volumes, index, PLANES[plane], difference or ())
    given = limits or {}
    shares = {
        caption: _share(volume, index, plane, given.get(caption))
        for caption, volume in volumes.items()
    }
    size = _size(next(iter(volumes.values())), plane)
    cells = [
        (caption, _MARK if volumes[caption].is_synthetic else "", _grey(share))
        for caption, share in shares.items()
    ]
    if difference:
        one, other = difference
        signed = _coloured(shares[one] - shares[other])
        cells.append(("difference", f"± {100 * FULL_COLOUR:.0f} %", signed))
    return _png(_row(cells, size, has_bar=bool(difference)))


def _share(
    volume: Volume, index: int, plane: str, limits: Limits | None
) -> NDArray[np.float32]:
    """One slice (rows, columns) scaled to [0, 1], the way up that it is looked at."""
    axis = PLANES[plane]
    if limits:
        fitted = Normalisation(*limits)
    else:
        fitted = fit_normalisation(volume.data[0], {"kind": "percentile"})
    scaled = fitted.forward(np.take(volume.data[0], index, axis=axis))
    upright = scaled if axis == 0 else scaled[::-1]  # Z grows to superior
    return np.asarray((upright + 1) / 2, np.float32)


def _size(volume: Volume, plane: str) -> tuple[int, int]:
    """Width and height in pixels: square millimetres, enlarged by a whole factor."""
    rows, columns = (i for i in range(3) if i != PLANES[plane])
    pixel = min(volume.spacing[rows], volume.spacing[columns])
    height, width = (
        volume.shape[i] * volume.spacing[i] / pixel for i in (rows, columns)
    )
    factor = max(1, round(_HEIGHT / height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _grey(share: NDArray[np.float32]) -> RGB:
    return np.repeat(np.rint(255 * share).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _coloured(difference: NDArray[np.float32]) -> RGB:
    """Negative in blue, positive in red, 0 black; the same range on both sides."""
    share = np.clip(difference / FULL_COLOUR, -1, 1)[..., np.newaxis]
    return np.rint(np.where(share < 0, -share * _BLUE, share * _RED)).astype(np.uint8)


def _row(
    cells: list[tuple[str, str, RGB]], size: tuple[int, int], *, has_bar: bool
) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    width, height = size
    font = ImageFont.load_default(13)
    step = width + _GAP
    bar = _BAR + _GAP if has_bar else 0
    sheet = Image.new(
        "RGB", (len(cells) * step + _GAP + bar, height + _CAPTION + _GAP), _BACKGROUND
    )
    draw = ImageDraw.Draw(sheet)
    for i, (caption, mark, picture) in enumerate(cells):
        left = _GAP + i * step
        space = width - draw.textlength(f"  {mark}", font)
        draw.text((left, 4), _shortened(caption, space, draw, font), _TEXT, font)
        draw.text((left + width, 4), mark, _WARNING, font, anchor="ra")
        enlarged = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
        sheet.paste(enlarged, (left, _CAPTION))
    if has_bar:
        ramp = np.linspace(FULL_COLOUR, -FULL_COLOUR, height, dtype=np.float32)
        strip = np.repeat(_coloured(ramp[:, np.newaxis]), _BAR, axis=1)
        sheet.paste(Image.fromarray(strip), (_GAP + len(cells) * step, _CAPTION))
    return sheet


def _shortened(
    text: str,
    width: float,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> str:
    """Cut the middle of a caption that is wider than its cell."""
    kept, shown = len(text), text
    while kept > 2 and draw.textlength(shown, font) > width:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}...{text[-(kept // 2) :]}"
    return shown


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _check(
    volumes: Mapping[str, Volume], index: int, axis: int, captions: tuple[str, ...]
) -> None:
    if not volumes:
        raise VolumeError("A picture needs one volume or more, got none.")
    first = next(iter(volumes.values()))
    for caption, volume in volumes.items():
        if volume.data.shape[0] != 1 or not same_grid(volume, first):
            raise VolumeError(
                f"A picture needs volumes of one channel on one grid, but {caption} "
                "differs: resample it first."
            )
    if not 0 <= index < first.shape[axis]:
        raise VolumeError(
            f"Slices are numbered 0 to {first.shape[axis] - 1} in this plane, got "
            f"{index}."
        )
    if unknown := [caption for caption in captions if caption not in volumes]:
        raise VolumeError(
            f"A difference is that of two volumes shown, got {unknown[0]}."
        )
