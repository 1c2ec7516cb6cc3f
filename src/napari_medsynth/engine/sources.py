"""The sources of a synthesis: on one grid, normalised, slice by slice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Study, Volume
from napari_medsynth.io.geometry import same_grid

from .intensity import Normalisation, fit_normalisation, intensity_spec
from .slices import BACKGROUND, take_slice

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Live preview asks for the same volumes again and again.
_fitted: WeakKeyDictionary[Volume, tuple[Any, Normalisation]] = WeakKeyDictionary()
_resampled: WeakKeyDictionary[Volume, tuple[ref[Volume], Study]] = WeakKeyDictionary()

# A slice whose sources all stay below it (1 % of the range) is empty.
_EMPTY = BACKGROUND + 0.02
_ARBITRARY_UNITS = Normalisation(0.0, 1000.0, "percentile")


@dataclass(frozen=True, eq=False)
class Sources:
    """What a network is shown, and how its images become intensities again.

    Parameters
    ----------
    card : ModelCard
        Its inputs are the channels.
    volumes : mapping
        Modality to volume, the reference first, all on its grid.
    normalisations : mapping
        Modality to normalisation.
    notes : tuple of str
        What was done to get here.
    """

    card: ModelCard
    volumes: dict[str, Volume]
    normalisations: dict[str, Normalisation]
    notes: tuple[str, ...] = ()

    @property
    def reference(self) -> Volume:
        return next(iter(self.volumes.values()))

    @property
    def missing(self) -> tuple[int, ...]:
        """Channels of the network that no source fills."""
        return tuple(self.channels_without(self.volumes))

    def channels_without(self, shown: Collection[str]) -> list[int]:
        """Give the channels of the network that belong to none of these modalities."""
        absent = [modality for modality in self.card.inputs if modality not in shown]
        return [channel for m in absent for channel in self.channels_of(m)]

    def channels_of(self, modality: str) -> list[int]:
        """Give the channels of the network that show an input, and its neighbours."""
        width = 2 * self.card.neighbours + 1
        first = self.card.inputs.index(modality) * width
        return list(range(first, first + width))

    def images(self, indices: Sequence[int], axis: int) -> NDArray[np.float32]:
        """Give slices as the network's channels, (N, C, H, W) in [-1, 1].

        C is the number of inputs, times the slices that the card wants of each: its
        neighbours below, itself, those above; beyond the volume its last slice again.
        Channels without a source hold the card's ``missing_value``.
        """
        reach, modalities = self.card.neighbours, self.card.inputs
        width, last = 2 * reach + 1, self.reference.shape[axis] - 1
        size = take_slice(self.reference.data[0], axis, 0).shape
        wanted = (len(indices), len(modalities), width, *size)
        images = np.full(wanted, self.card.missing_value, np.float32)
        for channel, modality in enumerate(modalities):
            if modality in self.volumes:
                array = self.volumes[modality].data[0]
                forward = self.normalisations[modality].forward
                for row, step in np.ndindex(len(indices), width):
                    index = min(max(indices[row] + step - reach, 0), last)
                    image = take_slice(array, axis, index)
                    images[row, channel, step] = forward(image)
        return images.reshape(len(indices), -1, *size)

    def is_empty(self, images: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which of N images show nothing but background in all sources."""
        used = [i for i in range(images.shape[1]) if i not in self.missing]
        highest: NDArray[np.float32] = images[:, used].max(axis=(1, 2, 3))
        return highest <= _EMPTY

    def unit_of(self, target: str) -> Normalisation:
        """Give the normalisation whose inverse turns a synthesis into intensities.

        A window if the card names one; else that of the reference source, because MR
        intensities are relative. A reference in a physical unit gives 0 to 1000. What
        is restored keeps the unit and the scale of the image that it is made of.
        """
        if self.card.is_restoration:
            return next(iter(self.normalisations.values()))
        spec = intensity_spec(self.card.intensity, target)
        if spec.get("kind") == "window":
            return fit_normalisation(np.zeros(1), spec)
        fitted = next(iter(self.normalisations.values()))
        return _ARBITRARY_UNITS if fitted.kind == "window" else fitted

    def untouched(self, target: str) -> NDArray[np.float32]:
        """Give what a result (Z, Y, X) holds where the network is not run.

        Background; or, of what is restored, the source itself.
        """
        unit, reference = self.unit_of(target), self.reference
        if not self.card.is_restoration:
            return np.full(reference.shape, unit.inverse(BACKGROUND), np.float32)
        return finite(reference.data[0], unit)

    def beyond(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give what of a slice of the reference the network cannot see.

        0 inside the range of its normalisation, else how far it is outside.
        """
        unit = next(iter(self.normalisations.values()))
        known = finite(image, unit)
        result: NDArray[np.float32] = known - np.clip(known, unit.low, unit.high)
        return result


def finite(array: NDArray[np.float32], unit: Normalisation) -> NDArray[np.float32]:
    """Give a copy, with ends of `unit` for what is not finite; NaN is the lower one."""
    low, high = unit.low, unit.high
    return np.nan_to_num(array.astype(np.float32), nan=low, posinf=high, neginf=low)


def gather_sources(study: Study, card: ModelCard, sources: Collection[str]) -> Sources:
    """Put the sources on the grid of the first one, in the card's order, and fit them.

    Raises
    ------
    CardError
        If a source is not an input of the card.
    VolumeError
        If the study lacks one, one is not a single image, or fields of view differ.
    """
    for modality in sources:
        if modality not in card.inputs:
            raise CardError(
                f"{card.title} takes {', '.join(card.inputs)}, not {modality}: leave "
                "it out or choose another model."
            )
        n_channels = study[modality].data.shape[0]
        if n_channels != 1:
            raise VolumeError(
                f"{modality} must be one image, but it has {n_channels} channels: "
                "split them and choose one."
            )
    ordered = [modality for modality in card.inputs if modality in sources]
    volumes, notes = _on_one_grid(study, ordered)
    return Sources(
        card,
        volumes,
        {name: _normalisation(card, study[name], name) for name in ordered},
        notes,
    )


def _on_one_grid(
    study: Study, ordered: Sequence[str]
) -> tuple[dict[str, Volume], tuple[str, ...]]:
    reference = study[ordered[0]]
    volumes, notes = {}, list(study.notes)
    for name in ordered:
        volumes[name] = study[name]
        if not same_grid(study[name], reference):
            moved = _moved(study[name], reference, name, ordered[0])
            volumes[name] = moved[name]
            notes += moved.notes
    return volumes, tuple(notes)


def _moved(source: Volume, reference: Volume, name: str, reference_name: str) -> Study:
    known = _resampled.get(source)
    if known is None or known[0]() is not reference:
        from napari_medsynth.prepare import to_grid  # SimpleITK: only when needed

        pair = Study({reference_name: reference, name: source})
        moved = to_grid(pair, reference_name, [name])
        # Without the reference: a cache must not keep it alive.
        moved = Study({name: moved[name]}, notes=moved.notes)
        known = _resampled[source] = (ref(reference), moved)
    return known[1]


def _normalisation(card: ModelCard, volume: Volume, modality: str) -> Normalisation:
    spec = intensity_spec(card.intensity, modality)
    known = _fitted.get(volume)
    if known is None or known[0] != spec:
        known = _fitted[volume] = (spec, fit_normalisation(volume.data[0], spec))
    return known[1]
