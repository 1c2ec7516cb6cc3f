"""Does a map tell what the model learned, and what it uses? Two tests it can fail."""

from __future__ import annotations

from collections.abc import Generator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from napari_medsynth.engine.slice_network import SliceNetwork

from .deletion import N_RUNS, Curves, Deletion
from .record import SliceRecord, record_slice
from .similarity import rank_correlation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared

    from .query import Query
    from .volumes import MakeMap

# Above it, more than half of the variance of the map's ranks is there untrained.
MOST_SIMILAR = 0.7
N_SHUFFLES = 3
N_STEPS = N_SHUFFLES + N_RUNS  # that `check_map` yields


@dataclass(frozen=True)
class Honesty:
    """What the tests of one map found.

    Parameters
    ----------
    similarity_to_random : float
        Rank correlation of the map with that of shuffled weights, inside the subject:
        mean of `N_SHUFFLES`. Above `MOST_SIMILAR` the map fails.
    faithfulness : float
        How much more the synthesis changes without the most than without the least
        marked regions, over what it changes without random ones. The map passes if
        that gap is larger than wherever else the map is moved.
    most, least, random : tuple of float
        Change of the synthesis [share of its range] after deleting each of
        `deletion.FRACTIONS` of the subject: most marked first, least first, random.
    passed : bool
        Both tests.
    reason : str
        Why not, one sentence; "" if it passed.
    """

    similarity_to_random: float
    faithfulness: float
    most: tuple[float, ...]
    least: tuple[float, ...]
    random: tuple[float, ...]
    passed: bool
    reason: str


def check_map(
    prepared: Prepared,
    network: SliceNetwork,
    index: int,
    make_map: MakeMap,
    *,
    query: Query | None = None,
    target: str = "",
    is_reverse: bool = False,
    seed: int = 0,
) -> Generator[str, None, Honesty]:
    """Test one map of one slice.

    The sanity check [1]_ makes the map again with the weights of the model shuffled:
    what stays was not learned. The deletion test [2]_ makes the most marked regions
    of all sources the mean of the subject, then the least marked, and measures how much
    the synthesis changes: at the query, else in what is left. The same map moved
    elsewhere tells what regions of that kind do by chance.

    Parameters
    ----------
    prepared, network, index
        The slice, and the model.
    make_map : callable
        As in `map_volume`; it knows the query itself.
    query : Query, optional
        The place that the map is about.
    target : str
        Output of the model; the first that is wanted without it.
    is_reverse : bool
        The map says what used the query: then the query is deleted, and the change of
        the most and the least marked regions is measured.
    seed : int
        Of shuffled weights and random regions.

    Yields
    ------
    str
        What is going on.

    Raises
    ------
    EngineError
        If the slice shows too little, or the network fails.

    References
    ----------
    .. [1] J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
       https://arxiv.org/abs/1810.03292
    .. [2] V. Petsiuk et al., "RISE: randomized input sampling for explanation of
       black-box models", BMVC 2018. https://arxiv.org/abs/1806.07421
    """
    record = record_slice(prepared, network, index)
    exact = _like(network, deepcopy(network.network).float())
    deletion = Deletion(record, exact, query, target=target)
    made = make_map(record, network)
    similarities = []
    for number in range(N_SHUFFLES):
        yield f"Shuffling weights, {number + 1} of {N_SHUFFLES}"
        other = _like(exact, shuffled(exact.network, seed + number))
        unlearned = make_map(record_slice(prepared, other, index), other)
        similarities.append(_similarity(record, deletion, made, unlearned))
    similarity = float(np.mean(similarities))
    curves = yield from deletion.curves(made, seed, is_reverse=is_reverse)
    reason = _reason(similarity, curves)
    most, least, random = (
        tuple(float(value) for value in curve)
        for curve in (curves.most, curves.least, curves.random)
    )
    return Honesty(
        similarity, curves.faithfulness, most, least, random, not reason, reason
    )


def shuffled(model: nn.Module, seed: int) -> nn.Module:
    """Give a copy whose weight tensors have their numbers in random order."""
    copy = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for weight in copy.parameters():
        order = torch.randperm(weight.numel(), generator=generator)
        flat = weight.data.flatten()[order.to(weight.device)]
        weight.data = flat.view_as(weight)
    return copy


def _like(network: SliceNetwork, model: nn.Module) -> SliceNetwork:
    device = str(network.device)
    return SliceNetwork(network.card, model=model, device=device, precision="fp32")


def _similarity(
    record: SliceRecord,
    deletion: Deletion,
    made: NDArray[np.float32],
    unlearned: NDArray[np.float32],
) -> float:
    """Rank correlation of magnitudes inside the subject; 0 if one is flat."""
    if made.shape == deletion.grid:
        where = np.zeros(made.size, bool)
        where[deletion.candidates] = True
        where = where.reshape(made.shape)
    else:
        inside = torch.from_numpy(deletion.inside.astype(np.float32))
        pixels = record.prepared.frame.from_network(inside[None, None])
        where = pixels[0, 0].numpy() > 0.5
    found = rank_correlation(np.abs(made)[where], np.abs(unlearned)[where])
    return 0.0 if np.isnan(found) else found


def _reason(similarity: float, curves: Curves) -> str:
    """Say why a map fails, "" if it does not."""
    reasons = []
    if similarity > MOST_SIMILAR:
        reasons.append(
            f"with shuffled weights it stays much the same (rank correlation "
            f"{similarity:.2f}), so it shows the images or the distance more than what "
            "was learned"
        )
    if not curves.draws.any():
        reasons.append("the synthesis does not change when regions are deleted")
    elif not curves.is_faithful:
        numbers = (curves.most.mean(), curves.least.mean(), curves.gaps_elsewhere.max())
        most, least, elsewhere = (f"{100 * number:.2g} %" for number in numbers)
        reasons.append(
            f"the most marked regions change the synthesis by {most}, the least marked "
            f"by {least}; moved elsewhere, the map parts them by {elsewhere}, so it "
            "does not show what the model uses"
        )
    if not reasons:
        return ""
    sentence = "; ".join(reasons)
    return sentence[0].upper() + sentence[1:] + "."
