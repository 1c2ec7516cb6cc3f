"""Training slices of real subjects, read when they are first drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.intensity import fit_normalisation, intensity_spec
from napari_medsynth.engine.slices import PLANES, frame_slices
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study, Volume, read_volume
from napari_medsynth.prepare import register, to_grid
from napari_medsynth.training.config import TrainConfig

from .augment import varied
from .cache import SHARED, Stack, StackCache
from .cohort import why_unusable
from .samples import Images, Sample, Subject, contrasts_of

_FOREGROUND, _MIN_SHARE = -0.9, 0.02  # intensity; share of a slice
_STEPS = 65535 / 2  # grey levels per unit: [-1, 1] as uint16


class RealSlices:
    """Slices of one real subject, moved and re-shaded a little each time.

    Nothing is read before the first slice is asked for. Then all contrasts are brought
    onto the grid of the first one and normalised as a prediction does it, and kept in
    a cache that all subjects share.

    Parameters
    ----------
    subject : Subject
    card : ModelCard
        Contrasts, their normalisation, pixel size.
    config : TrainConfig
        How slices are varied.
    align : {"header", "rigid"}
        Believe the positions in the files, or register each contrast to the first one.
    cache : StackCache, optional

    Raises
    ------
    VolumeError
        When first used: if a contrast that is needed is missing or a file cannot be
        used.
    """

    def __init__(
        self,
        subject: Subject,
        card: ModelCard,
        config: TrainConfig,
        *,
        align: str = "header",
        cache: StackCache = SHARED,
    ) -> None:
        self.name = subject.name
        self._subject, self._card, self._config = subject, card, config
        self._align, self._cache = align, cache
        self._contrasts = [c for c in contrasts_of(card) if c in subject.files]
        self._present = np.array([c in subject.files for c in contrasts_of(card)])
        self._key = (
            tuple((c, *_version(subject.files[c])) for c in self._contrasts),
            align,
            repr(card.intensity),
        )
        self._indices: dict[str, NDArray[np.intp]] = {}

    def indices(self, plane: str) -> NDArray[np.intp]:
        """Give the numbers of the slices that show more than background everywhere."""
        if plane not in self._indices:
            data = self._stack().data
            axes = tuple(a for a in range(3) if a != PLANES[plane])
            least = (_FOREGROUND + 1) * _STEPS
            share = np.array([(d > least).mean(axis=axes) for d in data])
            # Outside the field of view of a contrast, black would be learnt.
            is_covered = share.min(axis=0) > 0
            is_full = share.mean(axis=0) > _MIN_SHARE
            self._indices[plane] = np.flatnonzero(is_covered & is_full)
        return self._indices[plane]

    def pixel(self, plane: str) -> float:
        """Give the mean size of the pixels of a slice [mm]."""
        return float(np.mean(np.delete(self._stack().spacing, PLANES[plane])))

    def size(self, plane: str) -> tuple[int, int]:
        """Give height and width of a slice, before it is resampled."""
        rows, columns = np.delete(self._stack().data.shape[1:], PLANES[plane]).tolist()
        return rows, columns

    def draw(self, plane: str, index: int, rng: np.random.Generator | None) -> Sample:
        """Give one slice, varied at random; as it is if `rng` is None.

        Its pixels have the size that the card asks for.
        """
        stack = self._stack()
        axis, reach = PLANES[plane], self._card.neighbours
        around = np.arange(index - reach, index + reach + 1)
        around = around.clip(0, stack.data.shape[1 + axis] - 1)
        slabs = np.moveaxis(stack.data, 1 + axis, 1)[:, around]
        cut = slabs.reshape(-1, *slabs.shape[2:])
        images = cut.astype(np.float32) / np.float32(_STEPS) - np.float32(1)
        seen = true = _resampled(images, stack, plane, self._card.spacing)
        if rng is not None:
            seen, true = varied(
                seen, rng, affine=self._config.affine, intensity=self._config.intensity
            )
        return Sample(self._with_gaps(seen), self._with_gaps(true), self._present)

    def _with_gaps(self, images: Images) -> Images:
        """Put contrasts that do not exist, as black, between those that do."""
        if self._present.all():
            return images
        size = (2 * self._card.neighbours + 1, *images.shape[1:])
        whole = np.full(
            (len(self._present), *size), self._card.missing_value, np.float32
        )
        whole[self._present] = images.reshape(-1, *size)
        return whole.reshape(-1, *size[1:])

    def _stack(self) -> Stack:
        """Give all existing contrasts, uint16 for [-1, 1]."""
        return self._cache.get(self._key, self._read)

    def _read(self) -> Stack:
        study = read_subject(self._subject, self._card)
        first, *others = self._contrasts
        fits = {
            c: fit_normalisation(
                study[c].data[0], intensity_spec(self._card.intensity, c)
            )
            for c in self._contrasts
        }
        study = on_one_grid(study, first, self._align)
        data = np.empty((1 + len(others), *study[first].shape), np.uint16)
        for channel, c in zip(data, self._contrasts, strict=True):
            channel[...] = np.rint((fits[c].forward(study[c].data[0]) + 1) * _STEPS)
        return Stack(data, study[first].spacing)


def read_subject(subject: Subject, card: ModelCard) -> Study:
    """Read the contrasts of a subject that a model knows, each on its own grid.

    Raises
    ------
    VolumeError
        If there are too few, or one cannot be used.
    """
    lacking = why_unusable(card, subject.files)
    if lacking:
        raise VolumeError(f"{subject.name} cannot teach {card.title}: {lacking}.")
    volumes = {
        contrast: read_contrast(subject, contrast)
        for contrast in contrasts_of(card)
        if contrast in subject.files
    }
    return Study(volumes, subject=subject.name)


def read_contrast(subject: Subject, contrast: str) -> Volume:
    """Read one contrast of a subject.

    Raises
    ------
    VolumeError
        If its file cannot be read, or is not one image.
    """
    volume = read_volume(subject.files[contrast])
    n_channels = volume.data.shape[0]
    if n_channels != 1:
        raise VolumeError(
            f"{contrast} of {subject.name} must be one image, but it has {n_channels} "
            "channels: split them and choose one."
        )
    return replace(volume, modality=contrast, name=contrast)


def on_one_grid(study: Study, reference: str, align: str) -> Study:
    """Bring all volumes onto the grid of one, by their headers or registered to it."""
    if align != "rigid":
        return to_grid(study, reference)
    first = study[reference]
    volumes = {
        contrast: volume if contrast == reference else register(volume, first)
        for contrast, volume in study.volumes.items()
    }
    return Study(volumes, subject=study.subject, notes=study.notes)


def _resampled(
    images: Images, stack: Stack, plane: str, spacing: float | None
) -> Images:
    """Give a slice the pixel size that a prediction would give it."""
    grid = Volume(
        np.broadcast_to(np.float32(0), (1, *stack.data.shape[1:])), stack.spacing
    )
    frame = frame_slices(grid, plane, size_multiple=1, spacing=spacing)
    if not frame.is_resampled:
        return images
    result: Images = frame.to_network(torch.from_numpy(images)[None])[0].numpy()
    return result


def _version(path: str) -> tuple[str, int]:
    """Tell a file from one that was written over it."""
    try:
        return path, Path(path).stat().st_mtime_ns
    except OSError:
        return path, 0  # reading it will say what is wrong
