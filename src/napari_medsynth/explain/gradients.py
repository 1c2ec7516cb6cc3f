"""What each pixel of each source does to a place: maps for models of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_medsynth.engine.slices import BACKGROUND

from .differentiable import differentiable, gradients_allowed, place_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.slice_network import SliceNetwork

    from .query import Query
    from .record import SliceRecord


@dataclass(frozen=True, eq=False)
class SourceMaps:
    """What each source gave to a place.

    Parameters
    ----------
    maps : mapping
        Source to its signed map, (h, w) pixels of the slice: above 0 it made the place
        brighter. In units of the network's output, which spans -1 to 1.
    total : float
        How much brighter the place is than if all sources were background.
    delta : float
        Sum of all maps minus `total`: 0 if the maps are complete.
    """

    maps: Mapping[str, NDArray[np.float32]]
    total: float
    delta: float

    @property
    def strength(self) -> NDArray[np.float32]:
        """Sum of the magnitudes over the sources, (h, w)."""
        total: NDArray[np.float32] = np.sum([abs(m) for m in self.maps.values()], 0)
        return total


def gradient_times_input(
    record: SliceRecord,
    network: SliceNetwork,
    query: Query | None = None,
    *,
    target: str = "",
) -> SourceMaps:
    """Multiply the gradient of the place with the sources above background [1]_.

    Exact for a linear model, and a first guess for any other.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    network : SliceNetwork
        The model that made it.
    query : Query, optional
        The place, whose mean is explained; the whole slice without it.
    target : str
        Output of the model; the first that is wanted without it.

    Raises
    ------
    EngineError, DeviceMemoryError
        If the network fails, or memory runs out.

    Notes
    -----
    Norms of each slice are constants, see `differentiable`.

    References
    ----------
    .. [1] A. Shrikumar et al., "Not just a black box: learning important features
       through propagating activation differences", 2016.
       https://arxiv.org/abs/1605.01713
    """
    from captum.attr import InputXGradient

    with gradients_allowed():
        return _explain(record, network, query, target, InputXGradient, {})


def integrated_gradients(
    record: SliceRecord,
    network: SliceNetwork,
    query: Query | None = None,
    *,
    target: str = "",
    n_steps: int = 16,
) -> SourceMaps:
    """Integrate the place's gradient from background to the sources [1]_.

    Parameters
    ----------
    record, network, query, target
        As in `gradient_times_input`.
    n_steps : int
        Points of the Gauss-Legendre rule; more bring `SourceMaps.delta` closer to 0.

    Raises
    ------
    EngineError, DeviceMemoryError
        If the network fails, or memory runs out.

    Notes
    -----
    Norms of each slice are constants, see `differentiable`.

    References
    ----------
    .. [1] M. Sundararajan et al., "Axiomatic attribution for deep networks", ICML
       2017. https://arxiv.org/abs/1703.01365
    """
    from captum.attr import IntegratedGradients

    settings = {"n_steps": n_steps, "internal_batch_size": 1}
    with gradients_allowed():
        return _explain(record, network, query, target, IntegratedGradients, settings)


def occlusion(
    record: SliceRecord, network: SliceNetwork, query: Query, *, target: str = ""
) -> NDArray[np.float32]:
    """Give what the synthesis loses when the place is background in all sources [1]_.

    Parameters
    ----------
    record : SliceRecord
        The slice.
    network : SliceNetwork
        The model that made it.
    query : Query
        The place that is covered.
    target : str
        Output of the model; the first that is wanted without it.

    Returns
    -------
    ndarray
        (h, w) pixels of the slice, output before minus after, in units of the
        network's output, which spans -1 to 1.

    Raises
    ------
    EngineError
        If the network fails.

    References
    ----------
    .. [1] M. Zeiler, R. Fergus, "Visualizing and understanding convolutional
       networks", ECCV 2014. https://arxiv.org/abs/1311.2901
    """
    prepared = record.prepared
    inside = query.on_network(prepared)
    covered = inside >= inside.max() / 2  # a place smaller than a pixel is one
    inputs = record.inputs.clone()
    for channel in _shown(record).values():
        inputs[:, channel][..., covered] = BACKGROUND
    channel = prepared.channel_of(target or prepared.targets[0])
    after = prepared.outputs(network(inputs))[0, channel]
    return record.made[channel] - after


def _explain(
    record: SliceRecord,
    network: SliceNetwork,
    query: Query | None,
    target: str,
    method: Callable[[Callable[[Tensor], Tensor]], Any],
    settings: Mapping[str, int],
) -> SourceMaps:
    """Attribute the mean at the place to what the sources show above background."""
    model = differentiable(network, record.inputs)
    mean = place_mean(record, query, target, network.device)
    inputs = record.inputs.clone().to(network.device)
    background = inputs.clone()
    background[:, list(_shown(record).values())] = BACKGROUND

    def place(above: Tensor) -> Tensor:
        return mean(model(above + background))

    above = (inputs - background).requires_grad_()
    found = method(place).attribute(above, **settings).detach().float().cpu()
    with torch.no_grad():
        total = (place(above) - place(torch.zeros_like(above))).item()
    pixels = record.prepared.outputs(found)[0]
    maps = {name: pixels[channel] for name, channel in _shown(record).items()}
    return SourceMaps(maps, total, found.sum().item() - total)


def _shown(record: SliceRecord) -> dict[str, int]:
    """Channel of every source that the network was shown."""
    prepared = record.prepared
    return {m: prepared.shown_channel(m) for m in prepared.available}
