"""Variants of one synthesis: the same slices seen a little differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from napari_medsynth.engine.intensity import intensity_spec
from napari_medsynth.engine.prepared import Prepared, prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.io import Study

from .dropout import drops, with_dropout

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS: Mapping[str, str] = {
    "augmentation": "Shows the model its sources a little shifted, brighter or darker, "
    "and mirrored if the model may be.",
    "dropout": "Switches random parts of the network off, as in its training.",
    "ensemble": "Asks several models for the same image.",
}
MAX_SHIFT = 4  # pixels, a quarter of a token of ResViT
_MARGIN = 16  # pixels, at least; what a network sees beyond is far away
GAIN_SPREAD = 0.05  # of the logarithm of a source's brightness


@dataclass(frozen=True)
class Change:
    """What is done to the sources before the network, and undone after it.

    Parameters
    ----------
    shift : tuple of int
        Rows and columns that the image moves [pixel]; what leaves comes in on the other
        side, so that nothing is lost or blurred and undoing it is exact.
    is_mirrored : bool
        Left and right are exchanged.
    gains : tuple of float
        One factor per input channel on the brightness above black; 1 for those that
        show nothing. Not undone: how bright a source is says nothing of the target.
    """

    shift: tuple[int, int] = (0, 0)
    is_mirrored: bool = False
    gains: tuple[float, ...] = ()

    def apply(self, inputs: Tensor) -> Tensor:
        """Change the network's input (N, C, H, W) in [-1, 1]."""
        changed = inputs.clone()
        for channel, gain in enumerate(self.gains):
            if gain != 1.0:
                scaled = (inputs[:, channel] + 1) * gain - 1
                changed[:, channel] = scaled.clamp(-1, 1)
        changed = torch.roll(changed, self.shift, dims=(-2, -1))
        return changed.flip(-1) if self.is_mirrored else changed

    def undo(self, made: Tensor) -> Tensor:
        """Put the network's output (N, C, H, W) back where its input was."""
        made = made.flip(-1) if self.is_mirrored else made
        back = (-self.shift[0], -self.shift[1])
        return torch.roll(made, back, dims=(-2, -1))


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to make the same image.

    Parameters
    ----------
    prepared : Prepared
        The study as this network wants it.
    network : SliceNetwork
    change : Change
        What is done to the sources.
    """

    prepared: Prepared
    network: SliceNetwork
    change: Change = Change()

    def __call__(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Make slices of the targets, (N, n_targets, h, w) in [-1, 1]."""
        inputs, margin = self.prepared.inputs(indices), self._margin
        framed = pad(inputs, [margin] * 4, mode="replicate") if margin else inputs
        made = self.change.undo(self.network(self.change.apply(framed)))
        height, width = inputs.shape[-2:]
        inside = made[..., margin : margin + height, margin : margin + width]
        images = self.prepared.outputs(inside)
        channels = [self.prepared.channel_of(t) for t in self.prepared.targets]
        return images[:, channels]

    @property
    def _margin(self) -> int:
        """Give how far the border is continued, so that no shift brings the other side.

        Images that are restored may fill their frame; others end in air.
        """
        card = self.prepared.card
        if not card.is_restoration:
            return 0
        return -(-_MARGIN // card.size_multiple) * card.size_multiple


def variants_of(
    prepared: Prepared,
    networks: Sequence[SliceNetwork],
    method: str,
    *,
    n: int,
    seed: int = 0,
) -> tuple[Variant, ...]:
    """Give the variants that a method makes.

    Parameters
    ----------
    prepared : Prepared
        Study, targets and plane.
    networks : sequence of SliceNetwork
        One; for an ensemble all its members, the first of them that of `prepared`.
    method : str
        One of `METHODS`.
    n : int
        How many, at least 2; an ensemble has as many as networks.
    seed : int
        The same seed gives the same variants.

    Raises
    ------
    EngineError
        If the method is unknown, or `n` or the number of networks does not fit it.
    CardError
        If the network has no dropout, or a member of the ensemble cannot make the
        targets of these sources, or scales them otherwise.

    References
    ----------
    .. [1] G. Wang et al., "Aleatoric uncertainty estimation with test-time augmentation
       for medical image segmentation", Neurocomputing 338, 2019.
       https://doi.org/10.1016/j.neucom.2019.01.103
    .. [2] Y. Gal, Z. Ghahramani, "Dropout as a Bayesian approximation", ICML 2016.
       https://arxiv.org/abs/1506.02142
    .. [3] B. Lakshminarayanan et al., "Simple and scalable predictive uncertainty
       estimation using deep ensembles", NeurIPS 2017. https://arxiv.org/abs/1612.01474
    """
    if method not in METHODS:
        known = ", ".join(METHODS)
        raise EngineError(f"The method must be one of {known}, got {method!r}.")
    if method == "ensemble":
        if len(networks) < 2:
            raise EngineError(
                f"An ensemble needs two models or more, got {len(networks)}: choose "
                "another one too, or another method."
            )
        return tuple(Variant(_for(prepared, member), member) for member in networks)
    if n < 2 or len(networks) != 1:
        raise EngineError(
            f"The spread by {method} needs one model and two runs of it or more, got "
            f"{len(networks)} and {n}."
        )
    (network,) = networks
    if method == "augmentation":
        changes = _changes(prepared, np.random.default_rng(seed))
        return tuple(
            Variant(prepared, network, change)
            for change, _ in zip(changes, range(n), strict=False)
        )
    return (Variant(prepared, _dropping(network, seed)),) * n


def _changes(prepared: Prepared, rng: np.random.Generator) -> Iterator[Change]:
    """Draw changes without end; mirrored ones only where that means left and right."""
    card = prepared.card
    may_flip = card.flips and prepared.plane != "sagittal"
    while True:
        row, column = rng.integers(-MAX_SHIFT, MAX_SHIFT, 2, endpoint=True)
        gains = np.exp(rng.normal(0, GAIN_SPREAD, len(card.inputs)))
        shown = [modality in prepared.available for modality in card.inputs]
        if card.is_restoration:  # its source's brightness is the result's
            shown = [False]
        kept = np.where(shown, gains, 1.0).repeat(2 * card.neighbours + 1)
        yield Change(
            # A network of scale 2 sees the first pixel of each repeated pair.
            (
                int(row) // card.scale * card.scale,
                int(column) // card.scale * card.scale,
            ),
            bool(may_flip and rng.uniform() < 0.5),
            tuple(kept.tolist()),
        )


def _dropping(network: SliceNetwork, seed: int) -> SliceNetwork:
    if not drops(network.network):
        raise CardError(
            f"{network.card.title} has no dropout: choose augmentation, or an ensemble "
            "of several models."
        )
    return SliceNetwork(
        network.card,
        model=with_dropout(deepcopy(network.network), seed),
        device=str(network.device),
        precision=network.precision,
    )


def _for(prepared: Prepared, member: SliceNetwork) -> Prepared:
    """Prepare the same study for another card."""
    card, ours = member.card, prepared.card
    if (card.id, card.sha256) == (ours.id, ours.sha256):
        return prepared
    theirs = prepare_study(
        Study(prepared.sources.volumes),
        card,
        targets=prepared.targets,
        sources=[m for m in prepared.available if m in card.inputs],
        plane=prepared.plane,
    )
    for target in prepared.targets:
        specs = [intensity_spec(c.intensity, target) for c in (card, ours)]
        if specs[0] != specs[1]:
            raise CardError(
                f"{card.title} and {ours.title} scale {target} in different ways, so "
                "that their images cannot be averaged: choose other models."
            )
    return theirs
