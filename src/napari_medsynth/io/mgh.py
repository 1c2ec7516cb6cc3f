"""FreeSurfer MGH and MGZ files -> volumes, read by nibabel."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

from .assemble import assemble_stack
from .checks import check_size
from .source import source_of

if TYPE_CHECKING:
    from .volume import Volume

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_mgh(path: Path) -> list[Volume]:
    """Read a .mgz or .mgh file; several frames give several volumes.

    Raises
    ------
    VolumeError
        If the file is not MGH, cut off or damaged.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.freesurfer.mghformat import MGHError, MGHImage
    from nibabel.spatialimages import HeaderDataError

    try:
        image = MGHImage.from_filename(str(path))
        check_size(image.shape, image.get_data_dtype().itemsize, path.name)
        array = np.asanyarray(image.dataobj)
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error) as err:
        raise VolumeError(
            f"{path.name} is not an MGH file, cut off or damaged; copy it again."
        ) from err
    except (MGHError, ValueError, KeyError) as err:
        raise VolumeError(f"{path.name} is not an MGH file ({err}).") from err
    source = source_of(path)
    source.dtype = array.dtype.newbyteorder("=").name
    if not image.header["goodRASFlag"]:
        source.warn(
            f"{path.name} has no orientation; FreeSurfer's coronal one was taken."
        )
    stack = array.reshape(*array.shape, *(1,) * (4 - array.ndim))
    return assemble_stack(stack, _RAS_TO_LPS @ image.affine, source)
