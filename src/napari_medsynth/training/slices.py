"""Training slices of real subjects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, same_grid

from .augment import varied
from .config import TrainConfig
from .samples import Sample, Subject, contrasts_of
from .scanner import AXIS


class RealSlices:
    """Slices of one real subject, moved and re-shaded a little each time.

    Parameters
    ----------
    subject : Subject
        Files on one grid.
    card : ModelCard
        Contrasts and their normalisation.
    config : TrainConfig
        How slices are varied.

    Raises
    ------
    VolumeError
        If fewer than two contrasts are there, or their grids differ.
    """

    def __init__(
        self,
        subject: Subject,
        card: ModelCard,
        config: TrainConfig,
        *,
        align: str = "header",
    ) -> None:
        self.name, self._config = subject.name, config
        contrasts = contrasts_of(card)
        volumes = {
            m: read_volume(path) for m, path in subject.files.items() if m in contrasts
        }
        if len(volumes) < 2:
            raise VolumeError(
                f"{subject.name} needs two of {', '.join(contrasts)}, got "
                f"{len(volumes)}."
            )
        first = next(iter(volumes.values()))
        if not all(same_grid(first, other) for other in volumes.values()):
            raise VolumeError(f"The volumes of {subject.name} must be on one grid.")
        self._present = np.array([m in volumes for m in contrasts])
        self._data = np.full((len(contrasts), *first.shape), -1, np.float16)
        for channel, modality in enumerate(contrasts):
            if modality in volumes:
                image = volumes[modality].data[0]
                spec = card.intensity.get(modality, card.intensity.get("*", {}))
                self._data[channel] = fit_normalisation(image, spec).forward(image)

    def indices(self, plane: str) -> NDArray[np.intp]:
        """Give the numbers of the slices that show more than background."""
        axes = tuple(a for a in range(4) if a != 1 + AXIS[plane])
        return np.flatnonzero((self._data > -0.9).mean(axis=axes) > 0.02)

    def draw(self, plane: str, index: int, rng: np.random.Generator | None) -> Sample:
        """Give one slice, varied at random; as it is if `rng` is None."""
        whole = np.take(self._data, index, axis=1 + AXIS[plane]).astype(np.float32)
        if rng is None:
            return Sample(whole, whole, self._present)
        images, truth = varied(
            whole, rng, affine=self._config.affine, intensity=self._config.intensity
        )
        return Sample(images, truth, self._present)
