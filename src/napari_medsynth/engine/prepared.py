"""A study made ready for a model: checked, on one grid, normalised, cut into slices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError
from napari_medsynth.io import Study, Volume

from .slices import SliceFrame, frame_slices
from .sources import Sources, gather_sources

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a network is to be shown, for callers that run slices in their own way.

    Parameters
    ----------
    card : ModelCard
        The model.
    sources : Sources
        Its sources on one grid, with their normalisations.
    targets : tuple of str
        Outputs of the card that are wanted.
    plane : {"axial", "coronal", "sagittal"}
        How slices are cut.
    frame : SliceFrame
        How slices fit the network.
    """

    card: ModelCard
    sources: Sources
    targets: tuple[str, ...]
    plane: str
    frame: SliceFrame

    @property
    def reference(self) -> Volume:
        """The source whose grid all results are on."""
        return self.sources.reference

    @property
    def n_slices(self) -> int:
        """Slices along the plane's axis."""
        return self.reference.shape[self.frame.axis]

    @property
    def available(self) -> tuple[str, ...]:
        """Modalities that are shown to the network, in the card's order."""
        return tuple(self.sources.volumes)

    def inputs(self, indices: Sequence[int], *, hidden: Collection[str] = ()) -> Tensor:
        """Give the network's input for some slices.

        Parameters
        ----------
        indices : sequence of int
            Slices along the plane's axis.
        hidden : collection of str
            Sources to treat as if they were missing.

        Returns
        -------
        Tensor
            (N, in_channels, H, W) float32 in [-1, 1] on the CPU, resampled and padded;
            what is missing or hidden holds the card's ``missing_value`` everywhere.
        """
        images = torch.from_numpy(self.sources.images(indices, self.frame.axis))
        inputs = self.frame.to_network(images)
        shown = set(self.available) - set(hidden)
        inputs[:, self.sources.channels_without(shown)] = self.card.missing_value
        return inputs

    def outputs(self, made: Tensor) -> NDArray[np.float32]:
        """Crop and resample the network's (N, C, H, W) to slices (N, C, h, w)."""
        return self.frame.from_network(made.float().cpu()).numpy()

    def shown_channels(self, *modalities: str) -> list[int]:
        """Give the input channels of sources, of all available ones by default."""
        chosen = modalities or self.available
        return [channel for m in chosen for channel in self.sources.channels_of(m)]

    def shown_channel(self, modality: str) -> int:
        """Give the input channel of a source itself, not of its neighbours."""
        return self.sources.channels_of(modality)[self.card.neighbours]

    def channel_of(self, target: str) -> int:
        """Give the output channel of a target."""
        return self.card.outputs.index(target)

    def intensities(
        self, images: NDArray[np.float32], target: str
    ) -> NDArray[np.float32]:
        """Turn images of a target in [-1, 1] into intensities in the result's unit."""
        return self.sources.unit_of(target).inverse(images)

    def is_empty(self, index: int) -> bool:
        """Tell whether all sources show nothing but background on a slice."""
        images = self.sources.images((index,), self.frame.axis)
        return bool(self.sources.is_empty(images)[0])


def prepare_study(
    study: Study,
    card: ModelCard,
    *,
    targets: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    plane: str = "axial",
) -> Prepared:
    """Check a request and make the study ready; parameters and errors as `predict`."""
    wanted, shown = _resolve(study, card, targets, sources)
    gathered = gather_sources(study, card, shown)
    frame = frame_slices(
        gathered.reference,
        plane,
        size_multiple=card.size_multiple,
        # Resampling there and back would blur what is to be restored.
        spacing=None if card.is_restoration else card.spacing,
        scale=card.scale,
        is_edge_repeated=card.is_restoration,
    )
    return Prepared(card, gathered, wanted, plane, frame)


def _resolve(
    study: Study,
    card: ModelCard,
    targets: Collection[str] | None,
    sources: Collection[str] | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fill in the defaults; refuse what the model cannot do."""
    if card.spatial_dims != 2:
        raise CardError(
            f"{card.title} needs a 3D engine, and napari-medsynth runs models of "
            "slices only: choose one of those."
        )
    if targets is None:
        targets = [modality for modality in card.outputs if modality not in study]
    if sources is None:
        sources = [modality for modality in card.inputs if modality in study]
    sources = [modality for modality in sources if modality not in targets]
    if reason := card.why_not(sources, targets):
        raise CardError(reason)
    return tuple(dict.fromkeys(targets)), tuple(dict.fromkeys(sources))
