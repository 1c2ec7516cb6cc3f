"""How syntheses are varied: options that the commands of uncertainty share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.errors import CardError

from ._progress import follow_share

if TYPE_CHECKING:
    from napari_medsynth.engine.prepared import Prepared
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.trust.calibration import Calibration
    from napari_medsynth.trust.uncertainty import Uncertainty, UncertaintyStep


class Method(StrEnum):
    """What makes the syntheses differ."""

    augmentation = "augmentation"
    dropout = "dropout"
    ensemble = "ensemble"


Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", help="Id of a model (default: starter); several: an ensemble."
    ),
]
MethodOption = Annotated[
    Method | None,
    typer.Option(
        "--method", help="What is varied; augmentation, or ensemble of several models."
    ),
]
Variants = Annotated[
    int, typer.Option("--variants", "-n", min=2, help="How many syntheses.")
]


@dataclass(frozen=True)
class Settings:
    """How the syntheses are made."""

    cards: tuple[ModelCard, ...]
    method: str
    variants: int
    plane: str
    device: str

    @property
    def card(self) -> ModelCard:
        return self.cards[0]

    @property
    def key(self) -> str:
        """The method as calibrations are kept by."""
        from napari_medsynth.trust.calibration import method_name

        return method_name(self.method, self.cards)

    def networks(self) -> list[SliceNetwork]:
        from napari_medsynth.engine.slice_network import SliceNetwork

        return [SliceNetwork(card, device=self.device) for card in self.cards]

    def run(
        self,
        prepared: Prepared,
        networks: Sequence[SliceNetwork],
        slices: Sequence[int] | None,
        title: str,
    ) -> Uncertainty:
        from napari_medsynth.trust.uncertainty import uncertainty

        steps = uncertainty(
            prepared, networks, method=self.method, n=self.variants, indices=slices
        )
        found: Uncertainty = follow_share(steps, title, _share)
        return found


def settings_of(
    model: Sequence[str] | None,
    method: Method | None,
    variants: int,
    plane: str,
    device: str,
) -> Settings:
    """Find the models, and choose the method if the user did not.

    Raises
    ------
    CardError
        If a model is unknown, or their number does not fit the method.
    """
    cards = tuple(get_card(name) for name in dict.fromkeys(model or ("starter",)))
    chosen = method or (Method.ensemble if len(cards) > 1 else Method.augmentation)
    is_ensemble = chosen == Method.ensemble
    if is_ensemble != (len(cards) > 1):
        raise CardError(
            f"{chosen} needs {'two models or more' if is_ensemble else 'one model'}, "
            f"got {len(cards)}: name them with --model."
        )
    n = len(cards) if is_ensemble else variants
    return Settings(cards, chosen.value, n, plane, device)


def facts_of(calibration: Calibration) -> dict[str, Any]:
    """Give a calibration and what it promises as JSON values."""
    return {**asdict(calibration), "statement": calibration.statement}


def _share(step: UncertaintyStep) -> tuple[float, str]:
    return step.done / step.total, ""
