"""Run a network on a large image, tile by tile, without seams."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise, product

import torch
from torch import Tensor

from napari_medsynth.errors import EngineError

from .progress import exhausted

__all__ = ["MIN_TILE", "run_tiled", "smaller_tile", "tile_side", "tiled"]

MIN_TILE = 32  # [pixel], smaller ones cost more than they save
# The share of an overlap, at each of its ends, that only one of both tiles gives: there
# the other one sees too little around a pixel.
_MARGIN = 3 / 8


def run_tiled(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    tile: int,
    overlap: int,
    scale: int = 1,
) -> Tensor:
    """Run `network` on square tiles that overlap, and blend what it gives.

    One tile is in work at a time. Those at the far borders are moved inside the image,
    never padded. Their weights add up to 1 at each pixel: a tile counts alone but for
    the middle quarter of an overlap, where it fades into the next one.

    Parameters
    ----------
    network : callable
        Gives (N, C', h, w) of any (N, C, h, w), `h` and `w` at most `tile`.
    image : Tensor
        (N, C, H, W); H and W are multiples of `scale`.
    tile : int
        Side of a tile [pixel], rounded down to a multiple of `scale`. A side of the
        image that is shorter is not cut.
    overlap : int
        What neighbouring tiles share at least [pixel].
    scale : int
        Tiles begin at multiples of it.

    Returns
    -------
    Tensor
        (N, C', H, W), float32, on the device of `image`.

    Raises
    ------
    ValueError
        If the tile is not larger than the overlap by `scale` or more, or a side of the
        image is no multiple of `scale`.
    EngineError
        If the network changes the size.

    Notes
    -----
    Equal to the network run on the whole image, up to rounding (1e-5 of the range in
    float32), if a pixel depends only on others within 3/8 of the overlap. A network
    that uses statistics of the whole image (instance norm, channel gates, attention)
    gives another result in tiles; the fading then hides the steps between them.
    """
    steps = tiled(network, image, tile=tile, overlap=overlap, scale=scale)
    result: Tensor = exhausted(steps)
    return result


def tiled(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    tile: int,
    overlap: int,
    scale: int = 1,
) -> Generator[tuple[int, int], None, Tensor]:
    """Do what `run_tiled` does; yield tiles done and their number after each but one.

    Nothing is yielded after the last one, nor if the image is no larger than a tile.
    """
    height, width = image.shape[2:]
    if height % scale or width % scale:
        raise ValueError(
            f"both sides must be multiples of {scale}, got {height} x {width}"
        )
    rows, columns = (
        list(_windows(n, tile, overlap, scale, image.device)) for n in (height, width)
    )
    total = len(rows) * len(columns)
    if total == 1:
        return _run(network, image)
    result = torch.zeros(0)
    for done, (row, column) in enumerate(product(rows, columns), start=1):
        (vertical, down), (horizontal, across) = row, column
        made = _run(network, image[..., vertical, horizontal])
        if done == 1:
            size = (*made.shape[:2], height, width)
            result = torch.zeros(size, dtype=torch.float32, device=image.device)
        _add(result[..., vertical, horizontal], made, down[:, None] * across)
        del made
        if done < total:
            yield done, total
    return result


def tile_side(tile: int, overlap: int, multiple: int) -> int:
    """Give the nearest side that tiles can have: a multiple, twice the overlap or more.

    With less than half of a tile its own, there are very many of them.

    Parameters
    ----------
    tile : int
        Side that is asked for [pixel].
    overlap, multiple : int
        What neighbouring tiles share; what the side must be a multiple of.
    """
    smallest = -(-max(2 * overlap, 1) // multiple) * multiple
    return max(tile // multiple * multiple, smallest)


def smaller_tile(tile: int, overlap: int, multiple: int) -> int:
    """Give half a tile, a multiple of `multiple`; 0 if that is too small to be of use.

    At least half of a tile is its own, not shared with a neighbour.
    """
    half = tile // 2 // multiple * multiple
    return half if half >= max(MIN_TILE, 2 * overlap, multiple) else 0


def _run(network: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    made = network(image).float()
    given, wanted = tuple(made.shape[2:]), tuple(image.shape[2:])
    if given != wanted:
        raise EngineError(
            f"A network that is run in tiles must keep the size {wanted}, but it gave "
            f"{given}: its card does not fit its weights."
        )
    return made


def _add(part: Tensor, made: Tensor, weight: Tensor) -> None:
    """Add to a view of the result; tensors made in inference mode may be added too."""
    part += made * weight


def _windows(
    length: int, tile: int, overlap: int, scale: int, device: torch.device
) -> Generator[tuple[slice, Tensor], None, None]:
    """Give where tiles lie along one side, and their weights, which add up to 1."""
    side = tile // scale * scale
    step = (side - overlap) // scale * scale
    if step < 1:
        raise ValueError(
            f"a tile must be larger than the overlap of {overlap} by {scale} or more, "
            f"got {tile}"
        )
    if length <= side:
        yield slice(0, length), torch.ones(length, device=device)
        return
    starts = [*range(0, length - side, step), length - side]
    weights = torch.ones(len(starts), side)
    for left, (first, second) in enumerate(pairwise(starts)):
        rising = _fade(first + side - second)
        weights[left, second - first :] *= 1 - rising
        weights[left + 1, : len(rising)] *= rising
    total = torch.zeros(length)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + side] += weight
    for start, weight in zip(starts, weights, strict=True):
        window = slice(start, start + side)
        yield window, (weight / total[window]).to(device)


def _fade(length: int) -> Tensor:
    """Rise smoothly from 0 to 1 in the middle of `length` pixels."""
    position = (torch.arange(length) + 0.5) / max(length, 1)
    ramp = ((position - _MARGIN) / (1 - 2 * _MARGIN)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)
