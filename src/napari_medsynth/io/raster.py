"""PNG, TIFF, JPEG and BMP radiographs -> volumes of one slice."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import assemble_stack, grey
from .checks import check_size
from .source import Source, source_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from .volume import Volume

# What Pillow raises on damaged bytes.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    OverflowError,
    struct.error,
)
_MM_PER_INCH = 25.4
# Resolutions that programs write without having measured anything [dots per inch].
_MEANINGLESS_DPI = (0, 1, 72, 96)


def read_raster(path: Path) -> list[Volume]:
    """Read a picture; the pages of a TIFF become the slices of one volume.

    Raises
    ------
    VolumeError
        If the file is not a picture, cut off or damaged.

    Notes
    -----
    Pictures carry no pixel size: 1 mm is taken without a word, unless the file has a
    resolution that somebody must have set.
    """
    from PIL import Image, UnidentifiedImageError

    source = source_of(path)
    try:
        with Image.open(path) as image:
            n_pages = getattr(image, "n_frames", 1)
            check_size((*image.size, n_pages), 4, path.name)
            pages = [_page(image, i, source) for i in range(n_pages)]
            spacing = _spacing(image)
    except UnidentifiedImageError as err:
        raise VolumeError(f"{path.name} is not a picture; check the file.") from err
    except Image.DecompressionBombError as err:
        raise VolumeError(f"{path.name} is too large a picture ({err}).") from err
    except _BROKEN as err:
        raise VolumeError(f"{path.name} is cut off or damaged; copy it again.") from err
    if len({page.shape for page in pages}) > 1:
        raise VolumeError(
            f"{path.name} has pages of different sizes; save one of them."
        )
    if len(pages) > 1:
        source.warn(f"{path.name} has {len(pages)} pages; they were taken as slices.")
    stack = np.stack(pages).transpose(2, 1, 0)[..., np.newaxis]
    return assemble_stack(stack, np.diag([*spacing, 1.0, 1.0]), source)


def _page(image: Image, index: int, source: Source) -> np.ndarray:
    """One page as (rows, columns), upright and grey."""
    from PIL import ImageOps

    if index or getattr(image, "n_frames", 1) > 1:
        image.seek(index)
    image.load()
    upright: Any = ImageOps.exif_transpose(image)
    if upright.mode == "1":
        source.warn(f"{source.title} is a 1-bit picture: black and white, no greys.")
        upright = upright.convert("L")
    if upright.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        upright = upright.convert("RGB")
    array = np.asarray(upright)
    source.dtype = source.dtype or array.dtype.newbyteorder("=").name
    if array.ndim == 2:
        return array
    has_alpha = array.shape[-1] in (2, 4)
    if has_alpha and int(array[..., -1].min()) < 255:
        source.warn(
            f"{source.title} has transparent pixels; transparency was left out."
        )
    return array[..., 0] if array.shape[-1] == 2 else grey(array, source)


def _spacing(image: Image) -> tuple[float, float]:
    """(x, y) size of a pixel [mm]."""
    dots = image.info.get("dpi", (0, 0))
    x, y = (float(d) for d in dots[:2])
    if round(x) not in _MEANINGLESS_DPI and round(y) not in _MEANINGLESS_DPI:
        return _MM_PER_INCH / x, _MM_PER_INCH / y
    return 1.0, 1.0
