"""One function for all methods: what a map shows -> the function that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medsynth.errors import EngineError

from .gradient_attention import relevance
from .gradients import gradient_times_input, integrated_gradients, occlusion
from .maps import attention_map
from .methods import ATTENTION_METHODS, METHODS, MapSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_medsynth.engine.slice_network import SliceNetwork

    from .query import Query
    from .record import SliceRecord
    from .volumes import MakeMap

_OF_SOURCES = {
    "gradient_times_input": gradient_times_input,
    "integrated_gradients": integrated_gradients,
}


def map_maker(
    source: MapSource,
    query: Query | None = None,
    *,
    target: str = "",
    is_reverse: bool = False,
    modality: str = "",
) -> MakeMap:
    """Give the function that makes a map of a slice from its record and its network.

    Parameters
    ----------
    source : MapSource
        Any method of `METHODS`.
    query : Query, optional
        The place; "occlusion" needs one.
    target : str
        Output of the model that gradients explain; "" is the first that is wanted.
    is_reverse : bool
        Ask what used the place, instead of what the place was painted from.
    modality : str
        The source whose map is wanted, of methods that give one for each; "" is the
        sum of their magnitudes.

    Raises
    ------
    EngineError
        If the method is unknown, cannot answer this question, or needs a query.
    """
    if source.method not in METHODS:
        known = ", ".join(METHODS)
        raise EngineError(f"A map is one of {known}, got {source.method!r}.")
    method = METHODS[source.method]
    if is_reverse and not method.can_reverse:
        raise EngineError(
            f"{method.title} cannot tell what used a place: choose attention or "
            "occlusion."
        )
    if not is_reverse and not method.can_forward:
        raise EngineError(f"{method.title} tells what used a place: ask in reverse.")
    if query is None and not method.can_forward:
        raise EngineError(f"{method.title} needs a place to cover: give a query.")

    def make(record: SliceRecord, network: SliceNetwork) -> NDArray[np.float32]:
        if source.method in ATTENTION_METHODS:
            return attention_map(record, source, query, is_reverse=is_reverse)
        if source.method == "relevance":
            return relevance(record, network, query, block=source.block, target=target)
        if query is not None and source.method == "occlusion":
            return occlusion(record, network, query, target=target)
        found = _OF_SOURCES[source.method](record, network, query, target=target)
        if not modality:
            return found.strength
        if modality not in found.maps:
            shown = ", ".join(found.maps)
            raise EngineError(f"The model was shown {shown}, not {modality}.")
        return found.maps[modality]

    return make
