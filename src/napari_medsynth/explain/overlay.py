"""A slice with a map over it, as a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_medsynth.engine.slices import other_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .query import Query
    from .record import SliceRecord

_HEIGHT = 384  # pixels that the slice gets at least, by whole factors
_GAP, _LINE = 8, 18
_TEXT, _BACKGROUND, _MARK = (225, 225, 225), (18, 18, 18), (0, 229, 255)
_HOT = np.array([[60, 0, 80], [220, 50, 40], [255, 200, 60], [255, 255, 220]])
_BLUE, _RED, _GREY = np.array([[60, 140, 255], [255, 90, 60], [128, 128, 128]])
_OPACITY = 0.75


def overlay_picture(
    record: SliceRecord,
    values: NDArray[np.float32],
    lines: Sequence[str],
    *,
    query: Query | None = None,
    is_signed: bool = False,
    is_grey: bool = False,
) -> bytes:
    """Draw the first source, and beside it the same with a map over it.

    Patient left is on the right, anterior or superior above.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    values : ndarray
        (rows, columns) of tokens, or (h, w) pixels of the slice. The lowest value is
        transparent and the highest white; signed maps are blue below 0 and red above.
    lines : sequence of str
        What it shows, below the picture.
    query : Query, optional
        The place that was asked about, framed.
    is_signed : bool
        Whether values below 0 mean something.
    is_grey : bool
        Without colour: a map that failed a test.

    Returns
    -------
    bytes
        PNG.
    """
    from PIL import Image, ImageDraw, ImageFont

    grey = _anatomy(record)
    shown = on_pixels(record, values)
    marked = _blend(grey, shown, is_signed, is_grey)
    if query is not None:
        _frame(marked, query.pixels)
    width, height = _size(record)
    font = ImageFont.load_default(13)
    sheet = Image.new(
        "RGB",
        (2 * width + 3 * _GAP, height + 2 * _GAP + _LINE * len(lines)),
        _BACKGROUND,
    )
    is_upright = record.prepared.frame.axis == 0  # else Z grows to superior: turn it
    for number, picture in enumerate((grey, marked)):
        turned = picture if is_upright else picture[::-1]
        cell = Image.fromarray(np.rint(turned).astype(np.uint8))
        cell = cell.resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(cell, (_GAP + number * (width + _GAP), _GAP))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((_GAP, height + 2 * _GAP + number * _LINE), line, _TEXT, font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def on_pixels(record: SliceRecord, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a map of tokens on the pixels of the slice, (h, w); pixels as they are."""
    frame = record.prepared.frame
    if values.shape == frame.size:
        return values
    sides = [big // n for big, n in zip(frame.padded, values.shape, strict=True)]
    image = torch.from_numpy(np.kron(values, np.ones(sides, np.float32)))
    pixels: NDArray[np.float32] = frame.from_network(image[None, None])[0, 0].numpy()
    return pixels


def _anatomy(record: SliceRecord) -> NDArray[np.float64]:
    """The first source, (h, w, 3) from 0 to 255."""
    prepared = record.prepared
    channel = prepared.shown_channel(prepared.available[0])
    image = prepared.frame.from_network(record.inputs)[0, channel].numpy()
    return np.repeat((image[..., None].astype(np.float64) + 1) * 127.5, 3, axis=2)


def _blend(
    grey: NDArray[np.float64],
    values: NDArray[np.float32],
    is_signed: bool,
    is_grey: bool,
) -> NDArray[np.float64]:
    share: NDArray[Any]
    colour: NDArray[Any]
    if is_signed:
        most = float(np.abs(values).max()) or 1.0
        share = np.abs(values)[..., None] / most
        colour = np.where(values[..., None] < 0, _BLUE, _RED)
    else:
        low, span = float(values.min()), float(np.ptp(values)) or 1.0
        share = (values[..., None] - low) / span
        at = np.linspace(0, 1, len(_HOT))
        ramp = [np.interp(share[..., 0], at, part) for part in _HOT.T]
        colour = np.stack(ramp, axis=-1)
    opacity = _OPACITY * share
    blended = (1 - opacity) * grey + opacity * (_GREY if is_grey else colour)
    return np.asarray(blended, np.float64)


def _frame(picture: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
    """Draw a box around a place, one pixel away from it where there is room."""
    rows, columns = np.nonzero(inside)
    top, left = max(rows.min() - 1, 0), max(columns.min() - 1, 0)
    bottom = min(rows.max() + 1, inside.shape[0] - 1)
    right = min(columns.max() + 1, inside.shape[1] - 1)
    picture[[top, bottom], left : right + 1] = _MARK
    picture[top : bottom + 1, [left, right]] = _MARK


def _size(record: SliceRecord) -> tuple[int, int]:
    """Width and height in pixels: square millimetres, enlarged by a whole factor."""
    prepared = record.prepared
    spacing = [prepared.reference.spacing[i] for i in other_axes(prepared.frame.axis)]
    height, width = (
        n * mm / min(spacing)
        for n, mm in zip(prepared.frame.size, spacing, strict=True)
    )
    factor = max(1, round(_HEIGHT / height))
    return round(width * factor), round(height * factor)
