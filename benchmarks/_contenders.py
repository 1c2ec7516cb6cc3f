"""Who takes part in ``models.py``: every family of the catalogue, set to one task."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from napari_medsynth.catalogue import BLUEPRINT, ModelCard, list_cards, origin_of
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.errors import WeightsError
from napari_medsynth.training.vgg_file import check_vgg_exists

FACTOR = 2
WHOLE_RANGE = {"*": {"kind": "percentile", "low": 0.0, "high": 100.0}}
# Numbers of channels, which `halved` halves.
WIDTHS = (
    "width",
    "first_width",
    "growth",
    "embed_dim",
    "mlp_dim",
)  # what is halved: `halved`


@dataclass(frozen=True)
class Task:
    """What all networks of one table learn.

    Parameters
    ----------
    title : str
        Of the table.
    kind : str
        Task of the cards that take part.
    inputs, outputs : tuple of str
        Contrasts.
    batch_size, patch : int
        Images of a step, and their side [pixel]; 0: whole slices.
    degradation : mapping
        How an input is made of an output; none for translation.
    """

    title: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    batch_size: int
    patch: int
    degradation: Mapping[str, Any]


TRANSLATION = Task("Translation, T1 to T2", "synthesis", ("T1",), ("T2",), 1, 0, {})
SUPER_RESOLUTION = Task(
    "Super-resolution x2",
    "super-resolution",
    ("low-resolution MR",),
    ("MR",),
    4,
    48,
    {
        "kind": "downsample",
        "factor": [FACTOR, FACTOR],
        "method": "kspace",
        "noise": 0.01,
    },
)
DENOISING = Task(
    "Denoising",
    "denoising",
    ("noisy MR",),
    ("MR",),
    4,
    64,  # the smallest for which the critic of WGAN-VGG was published
    {"kind": "rician", "sigma": 0.05},
)
TASKS = (TRANSLATION, SUPER_RESOLUTION, DENOISING)

# The published one-to-one model has weights of its authors, and no card without them.
RESVIT = ModelCard(
    id="resvit",
    family="resvit",
    task="synthesis",
    title="ResViT",
    factory="napari_medsynth.models.resvit:ResViT",
    inputs=("T1",),
    outputs=("T2",),
    options={"in_channels": 1, "out_channels": 1},
    norm_statistics="batch",
    recipe={
        "objective": "gan",
        "l1_weight": 100.0,
        "reconstruction_weight": 0.0,
        "gradient_weight": 0.0,
        "adversarial_weight": 1.0,
        "beta1": 0.5,
        "beta2": 0.999,
        "clip": 0.0,
    },
)


@dataclass(frozen=True)
class Contender:
    """One network and the task that it is compared on.

    Parameters
    ----------
    card : ModelCard
        In its published size; inputs, outputs, degradation and scale are the task's.
    task : Task
    recipe : mapping
        Of the card, without what cannot be had here.
    notes : tuple of str
        What is not as published.
    """

    card: ModelCard
    task: Task
    recipe: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def contenders() -> dict[str, Contender]:
    """Give all by the id of the card, in the order of the tables."""
    cards = [
        card for card in list_cards(blueprints=True) if origin_of(card.id) == BLUEPRINT
    ]
    if not any(card.family == "resvit" for card in cards):
        cards.append(RESVIT)
    found = [_set_to(task, card) for task in TASKS for card in _fitting(cards, task)]
    return {contender.card.id: contender for contender in found}


def _fitting(cards: list[ModelCard], task: Task) -> Iterator[ModelCard]:
    """Choose the cards of a task: of those that enlarge, the factor 2 if there is one.

    A family that learns in a way of its own at another factor takes part with that one.
    """
    ours = [card for card in cards if card.task == task.kind]
    kept = [card for card in ours if card.scale in (1, FACTOR)]
    known = {_way(card) for card in kept}
    for card in ours:
        if card in kept:
            yield card
        elif _way(card) not in known:
            known.add(_way(card))
            yield card


def _way(card: ModelCard) -> tuple[str, str]:
    return card.family, str(card.recipe.get("objective", "supervised"))


def _set_to(task: Task, card: ModelCard) -> Contender:
    """Give a network the inputs, outputs and images of a task."""
    notes = []
    inputs, outputs = task.inputs, task.outputs
    if card.is_unified:
        inputs = outputs = (*inputs, *outputs)
        notes.append("learns T2 to T1 too")
    options = {
        **card.options,
        "in_channels": len(inputs) * (2 * card.neighbours + 1),
        "out_channels": len(outputs),
    }
    if card.scale > 1 and card.scale != FACTOR:
        is_staged = card.recipe.get("objective") == "staged"
        one = ", here one stage" if is_staged else ""
        notes.append(f"published for x{card.scale}{one}")
        options["scale"] = FACTOR
    if card.degradation.get("kind") == "thick-slices":
        notes.append("published for thick slices")
    if task is DENOISING and "CT" in " ".join(card.outputs):
        notes.append("published for CT")
    recipe, lacking = _possible(card.recipe)
    scale = FACTOR if card.scale > 1 else 1
    multiple = card.size_multiple
    return Contender(
        replace(
            card,
            inputs=inputs,
            outputs=outputs,
            options=options,
            intensity={"*": {"kind": "percentile"}}
            if task is TRANSLATION
            else WHOLE_RANGE,
            degradation=task.degradation,
            planes=("axial",),
            spacing=None,
            scale=scale,
            size_multiple=multiple if multiple % scale == 0 else multiple * scale,
        ),
        task,
        recipe,
        (*notes, *lacking),
    )


def _possible(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Leave out features of VGG where its weights are not there, and say so."""
    kept = dict(recipe)
    if not kept.get("perceptual_weight"):
        return kept, ()
    layer = str(kept.get("perceptual_layer", "vgg19-relu5_4"))
    try:
        check_vgg_exists(layer.partition("-")[0])
    except WeightsError:
        kept["perceptual_weight"] = 0.0
        if kept.get("l1_weight", 1.0) or kept.get("l2_weight", 0.0):
            return kept, ("without features of VGG",)
        kept["l2_weight"] = 1.0
        return kept, ("squared error instead of features of VGG",)
    return kept, ()


def halved(card: ModelCard) -> ModelCard:
    """Give the network with half as many channels everywhere.

    Raises
    ------
    ValueError
        If there is no number of channels to halve.
    """
    options = _all_options(card)
    smaller = {
        key: options[key] // 2
        for key in WIDTHS
        if isinstance(options.get(key), int) and options[key] > 1
    }
    if not smaller:
        raise ValueError(f"{card.id} has none of {', '.join(WIDTHS)} to halve.")
    return replace(card, options={**card.options, **smaller})


def size_of(card: ModelCard, published: ModelCard) -> str:
    """Say how much narrower a network is than the published one."""
    ours, theirs = _all_options(card), _all_options(published)
    changed = [
        f"{key} {ours[key]} of {theirs[key]}"
        for key in WIDTHS
        if ours.get(key) != theirs.get(key)
    ]
    return ", ".join(changed) or "as published"


def _all_options(card: ModelCard) -> dict[str, Any]:
    with torch.device("meta"):
        signature = inspect.signature(type(build_model(card)))
    defaults = {
        name: parameter.default for name, parameter in signature.parameters.items()
    }
    return {**defaults, **card.options}
