"""Maps of many slices as one volume, and the difference of two of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.io import Volume

from .record import SliceRecord, place_maps, record_slice
from .similarity import on_one_grid

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork

    MakeMap = Callable[[SliceRecord, SliceNetwork], NDArray[np.float32]]


def map_volume(
    prepared: Prepared,
    network: SliceNetwork,
    make_map: MakeMap,
    indices: Collection[int],
    *,
    name: str = "map",
) -> Generator[int, None, Volume]:
    """Make the maps of several slices; empty slices stay 0.

    Parameters
    ----------
    prepared : Prepared
        The study.
    network : SliceNetwork
        Its model.
    make_map : callable
        Record of a slice and network -> map, as `making.map_maker` gives it.
    indices : collection of int
        Slices along the plane's axis.
    name : str
        Which map, for the name of the volume.

    Yields
    ------
    int
        How many of `indices` are done.

    Returns
    -------
    Volume
        On the coarse grid of the tokens, or that of the slices, in register with the
        anatomy.

    Raises
    ------
    EngineError
        If all slices are empty, or a slice does not exist.
    """
    maps = {}
    for done, index in enumerate(indices, start=1):
        if not prepared.is_empty(index):
            maps[index] = make_map(record_slice(prepared, network, index), network)
        yield done
    return place_maps(prepared, maps, name)


def difference(a: Volume, b: Volume) -> Volume:
    """Give how much more of the attention of `a` goes to a place than of `b`.

    Each map is divided by the mean of its magnitude first, so that 1 is the average
    and maps of different tokens, models and methods can be compared.

    Parameters
    ----------
    a, b : Volume
        Maps of one study; the coarser one is brought to the grid of the finer one.

    Returns
    -------
    Volume
        Signed; 0 where only one of them has a map.
    """
    one, other = on_one_grid(_relative(a), _relative(b))
    return one.with_data(
        np.nan_to_num(one.data - other.data).astype(np.float32),
        modality="",
        name=f"{a.name} minus {b.name}",
        metadata={"difference": [dict(v.metadata) for v in (a, b)]},
    )


def _relative(volume: Volume) -> Volume:
    mean = float(np.abs(volume.data).mean())
    return volume.with_data(volume.data / mean if mean else volume.data)
