"""Jobs of "How sure?": several syntheses of a request's slices; for a worker thread."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_medsynth.trust.calibration import Calibration, load_calibration, method_name

from ._torch import load_torch
from ._uncertainty_maps import Maps, TargetMaps

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.trust.uncertainty import Uncertainty, UncertaintyStep

    from ._request import Request
    from ._session import Session

AUGMENTATION, DROPOUT, ENSEMBLE = "augmentation", "dropout", "ensemble"


@dataclass(frozen=True)
class VariantSettings:
    """How syntheses are made to differ.

    Parameters
    ----------
    method : str
        "augmentation", "dropout" or "ensemble".
    n : int
        Number of variants; an ensemble has as many as members.
    others : tuple of ModelCard
        Members of an ensemble beside the model of the dock.
    """

    method: str = AUGMENTATION
    n: int = 8
    others: tuple[ModelCard, ...] = ()

    def key(self, card: ModelCard) -> str:
        """Name the method as calibrations are kept by."""
        return method_name(self.method, [card, *self.others])

    def calibration_of(self, request: Request, target: str) -> Calibration | None:
        """Give what was measured here for this method and request; reads a small file.

        Raises
        ------
        CardError
            If the site's file is damaged.
        """
        return load_calibration(
            request.card,
            target,
            sources=tuple(request.study.modalities),
            method=self.key(request.card),
            plane=request.options.plane,
        )


def estimate(
    session: Session,
    request: Request,
    settings: VariantSettings,
    indices: Sequence[int],
    known: Maps | None,
) -> Generator[Maps | UncertaintyStep | None, None, Uncertainty]:
    """Make slices several times; yields the maps to fill first, then steps.

    Parameters
    ----------
    session : Session
        Keeps the network and the prepared study.
    request : Request
    settings : VariantSettings
    indices : sequence of int
        Slices along the plane's axis.
    known : mapping of str to TargetMaps, or None
        What was made by the same request and settings, to be filled further.

    Raises
    ------
    MedSynthError
        If the model cannot be run on it, or a member of the ensemble does not fit.
    """
    yield None
    load_torch()
    from napari_medsynth.trust import do_not_trust, local_cases  # noqa: F401  # soon
    from napari_medsynth.trust.uncertainty import uncertainty

    prepared, network = session.model(request)
    yield None
    yield known or _new_maps(prepared)
    others = [_network(card, request) for card in settings.others]
    return (
        yield from uncertainty(
            prepared,
            [network, *others],
            method=settings.method,
            n=settings.n,
            indices=indices,
        )
    )


def why_no_dropout(card: ModelCard) -> str:
    """Say why dropout cannot be used, as far as the card tells; "" if it may.

    Where the card is silent, `estimate` finds out and says the same.
    """
    if card.options.get("dropout") != 0:
        return ""
    return f"{card.title} has no dropout: choose augmentation, or an ensemble."


def _new_maps(prepared: Prepared) -> dict[str, TargetMaps]:
    from napari_medsynth.engine.metrics import foreground

    inside = foreground(prepared.reference.data[0])
    maps = {}
    for target in prepared.targets:
        unit = prepared.sources.unit_of(target)
        maps[target] = TargetMaps(inside, prepared.frame.axis, unit.low, unit.high)
    return maps


def _network(card: ModelCard, request: Request) -> SliceNetwork:
    from napari_medsynth.engine.slice_network import SliceNetwork

    options = request.options
    return SliceNetwork(card, device=options.device, precision=options.precision)
