"""The preview of a run: one held-out slice, before and after, read from its file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

ROLES = ("source", "truth", "before", "now")


@dataclass(frozen=True)
class TrainingPreview:
    """One slice of a held-out subject, upright: coronal and sagittal rows start above.

    Parameters
    ----------
    images : mapping
        "source", "truth", "before", "now": (H, W), intensities in [0, 1].
    target, subject : str
        The contrast that is made; whose slice it is.
    """

    images: dict[str, Image]
    target: str
    subject: str


def read_preview(path: Path | str) -> TrainingPreview:
    """Read ``preview.npz`` of a run's folder.

    Raises
    ------
    VolumeError
        If it is missing, damaged, or not four images of one size.
    """
    try:
        # opened here: numpy leaves a damaged file open
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            images = {role: np.array(file[role], np.float32) for role in ROLES}
            target, subject = str(file["target"]), str(file["subject"])
            plane = str(file["plane"]) if "plane" in file else "axial"
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as err:
        raise VolumeError(
            f"The preview {Path(path).name} cannot be read ({err}): the next epoch "
            "writes it again."
        ) from err
    shapes = {image.shape for image in images.values()}
    if len(shapes) != 1 or images["now"].ndim != 2:
        raise VolumeError(
            f"The preview needs four images (H, W) of one size, got {sorted(shapes)}."
        )
    if plane != "axial":  # rows run from inferior to superior
        images = {role: image[::-1] for role, image in images.items()}
    return TrainingPreview(images, target, subject)
