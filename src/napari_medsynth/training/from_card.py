"""The job that trains the network of a card from the start, as was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_medsynth.catalogue import ModelCard, get_card
from napari_medsynth.errors import CardError
from napari_medsynth.simulate import MODALITIES

from .job import TrainJob, job_from_json
from .presets import published, steps_in_proportion

STEPS_PER_EPOCH = 500  # of simulated images only, unless the recipe says so


def job_from_card(
    card_id: str,
    *,
    id: str,
    title: str,
    folder: str = "",
    studies: Sequence[Mapping[str, str]] = (),
    simulated_share: float = 0.0,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> TrainJob:
    """Give the job that trains a card's network from fresh weights by its recipe.

    Parameters
    ----------
    card_id : str
        Of a blueprint, or of a model whose weights are not used.
    id, title : str
        Of the new model.
    folder, studies, simulated_share
        What is learnt from, see `DataConfig`; sources and targets are of different
        subjects if the recipe's objective is cycle.
    inputs, outputs : sequence of str
        Contrasts instead of the card's; for a unified model either is both.
    changes : mapping
        Values of `TrainConfig` instead of the recipe's. With other `epochs` the
        learning rate falls in proportion, unless that is changed too. An epoch of
        simulated images only is 500 steps unless either says so.

    Returns
    -------
    TrainJob

    Raises
    ------
    CardError
        If the card does not exist, the contrasts or a setting do not suit it, or there
        is nothing to learn from.
    """
    card = get_card(card_id)
    inputs, outputs = _contrasts(card, tuple(inputs), tuple(outputs))
    learn = _learn(card, changes or {})
    if simulated_share:
        _check_simulated(card, (*(inputs or card.inputs), *(outputs or card.outputs)))
        if not folder and not studies:  # made-up slices never come to an end
            learn = {"steps_per_epoch": STEPS_PER_EPOCH, **learn}
    is_cycle = learn.get("objective") == "cycle"
    values = {
        "id": id,
        "title": title,
        "network": {"card": card_id, "inputs": inputs, "outputs": outputs},
        "data": {
            "folder": folder,
            "studies": tuple(dict(study) for study in studies),
            "simulated_share": simulated_share,
            "pairing": "unpaired" if is_cycle else "paired",
            "planes": card.planes,
        },
        "learn": learn,
    }
    return job_from_json(values, where=f"Training {card_id}")


def _learn(card: ModelCard, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give the card's recipe with changes, which may be wrong still."""
    recipe, epochs = published(card), changes.get("epochs")
    steps = {}
    if recipe is not None and isinstance(epochs, int):
        steps = steps_in_proportion(recipe, epochs)
    kept = {key: steps.get(key, value) for key, value in card.recipe.items()}
    return {**kept, **changes}


def _check_simulated(card: ModelCard, contrasts: Sequence[str]) -> None:
    unknown = [c for c in dict.fromkeys(contrasts) if c not in MODALITIES]
    if unknown and not card.is_restoration:  # which says itself what it can degrade
        raise CardError(
            f"{', '.join(unknown)} cannot be simulated, only {', '.join(MODALITIES)}: "
            "choose inputs and outputs of these, or give a folder of scans."
        )


def _contrasts(
    card: ModelCard, inputs: tuple[str, ...], outputs: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check contrasts that replace those of a card."""
    if card.is_unified:
        both = inputs or outputs
        if inputs and outputs and inputs != outputs:
            raise CardError(
                f"{card.title} needs equal inputs and outputs: any of them may be "
                "missing. Give either."
            )
        return both, both
    if card.is_restoration and (len(inputs) > 1 or len(outputs) > 1):
        raise CardError(
            f"{card.title} makes one image of one: give one input and one output."
        )
    shared = sorted({*(inputs or card.inputs)} & {*(outputs or card.outputs)})
    if shared:
        raise CardError(
            f"{', '.join(shared)} cannot be both input and output of {card.title}."
        )
    return inputs, outputs
