"""What each head does, in two numbers: how widely, and how far away it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_medsynth.engine.slices import other_axes

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared

    from .query import Query
    from .record import SliceRecord


@dataclass(frozen=True)
class HeadStatistic:
    """One head of one layer on one slice.

    Parameters
    ----------
    block : str
        ART block, "art_1".
    layer, head : int
        Counted from 0.
    entropy : float
        Of the attention of a token [bits]: 0 looks at one token, log2 T at all alike.
    entropy_share : float
        The same over log2 T: 0 to 1.
    distance : float
        How far away the tokens are that a token looks at [mm], between their centres,
        weighted by the attention [1]_.

    References
    ----------
    .. [1] A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, figure 7.
       https://arxiv.org/abs/2010.11929
    """

    block: str
    layer: int
    head: int
    entropy: float
    entropy_share: float
    distance: float


def head_statistics(
    record: SliceRecord, query: Query | None = None
) -> tuple[HeadStatistic, ...]:
    """Measure every head of every layer of every block, in the order they run.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    query : Query, optional
        The place whose tokens count; all the same without it, air included.

    Raises
    ------
    CardError
        If the model has no attention.
    """
    distances = token_distances(record.prepared, record.grid)
    n_tokens = len(distances)
    weights = torch.full((n_tokens,), 1 / n_tokens)
    if query is not None:
        tokens = query.tokens(record.prepared, record.grid)
        weights = torch.from_numpy(tokens).flatten()
    most = torch.log2(torch.tensor(float(max(n_tokens, 2)))).item()
    found = []
    for block, layers in record.layers.items():
        for number, heads in enumerate(layers):
            # x log x is 0 at 0, which entr knows
            bits = (
                torch.special.entr(heads).sum(-1)
                @ weights
                / torch.log(torch.tensor(2.0))
            )
            far = (heads * distances).sum(-1) @ weights
            found += [
                HeadStatistic(block, number, head, bit, bit / most, mm)
                for head, (bit, mm) in enumerate(
                    zip(bits.tolist(), far.tolist(), strict=True)
                )
            ]
    return tuple(found)


def token_distances(prepared: Prepared, grid: tuple[int, int]) -> Tensor:
    """Give the distance [mm] of every two tokens' centres on the slice, (T, T)."""
    frame = prepared.frame
    rows, columns = (
        torch.arange(n) * (big / n) * (size / inner) * prepared.reference.spacing[axis]
        for n, big, size, inner, axis in zip(
            grid,
            frame.padded,
            frame.size,
            frame.inner,
            other_axes(frame.axis),
            strict=True,
        )
    )
    centres = torch.cartesian_prod(rows, columns).float()
    return torch.cdist(centres, centres, compute_mode="donot_use_mm_for_euclid_dist")
