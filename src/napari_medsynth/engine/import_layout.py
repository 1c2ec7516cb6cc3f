"""Recognise published checkpoints by their keys, and give the cards of their networks.

What each model's files look like is said beside the model (`models.layout.Layout`); the
rest of the card is that of the blueprint that the layout names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.catalogue.blueprints import blueprints
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.layout import Layout, all_layouts

from .import_resvit import modalities
from .weights import first_few

State = Mapping[str, Tensor]

LIMITS = "Imported; its quality was not measured here."
RESVIT = "ResViT"
_SIZES = {
    "width": "{} channels",
    "widths": "{} channels",
    "n_groups": "{} groups",
    "n_blocks": "{} blocks",
    "depth": "{} levels",
    "n_steps": "{} steps",
}


@dataclass(frozen=True)
class Recognised:
    """What a file was found to be.

    Parameters
    ----------
    layout : Layout
        How its keys are spelled.
    others : tuple of str
        Names of layouts that fit too, whose networks compute something else.
    """

    layout: Layout
    others: tuple[str, ...] = ()


def recognise(state: State, *, name: str, layout: str = "") -> Recognised:
    """Tell which layout a file has.

    Parameters
    ----------
    state : mapping of str to Tensor
        As `read_checkpoint` gives it.
    name : str
        Of the file.
    layout : str
        Name of a layout, or an unmistakable part of it; "" takes the first that fits,
        which is the official one.

    Raises
    ------
    WeightsError
        If no layout fits, or only those that cannot be used, or not the one chosen.
    """
    fitting = [one for one in all_layouts() if one.fits(state)]
    usable = [one for one in fitting if not one.refused]
    if not fitting:
        raise WeightsError(
            f"{name} is of no network that is known here (its keys are "
            f"{first_few(list(state))}): files of {', '.join(known_networks())} can be "
            "told apart, and medsynth models layouts lists whose."
        )
    if not usable:
        raise WeightsError(f"{name} cannot be used: {fitting[0].refused}")
    chosen = _named(layout, usable, name) if layout else usable[0]
    others = tuple(one.name for one in usable if one is not chosen)
    return Recognised(chosen, others)


def layout_card(
    state: State,
    layout: Layout,
    *,
    name: str,
    card_id: str,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    norm_statistics: str | None = None,
) -> ModelCard:
    """Give the card of a file: its blueprint's, with what the file says.

    Parameters
    ----------
    state : mapping of str to Tensor
        In the file's own spelling.
    layout : Layout
        That fits it.
    name : str
        Of the file.
    card_id : str
        Of the new card.
    inputs, outputs : sequence of str, optional
        Contrasts instead of the blueprint's. As many as there are channels make each
        channel one contrast, not colours or neighbouring slices.
    norm_statistics : {"batch", "running"}, optional
        By default those that its authors tested with.

    Raises
    ------
    WeightsError
        If tensors are missing that sizes are read from, or there are not as many
        contrasts as channels.
    """
    try:
        options, changes = layout.options(state), layout.changes(state)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as err:
        raise WeightsError(
            f"{name} looks like a file of {layout.name}, but its sizes cannot be read "
            f"({type(err).__name__}: {err}); it is incomplete or changed, get it again."
        ) from err
    blueprint = blueprint_of(layout)
    statistics = {"norm_statistics": _statistics(blueprint, options)}
    if norm_statistics:
        changes = {**changes, "norm_statistics": norm_statistics}
    card = replace(
        blueprint,
        id=card_id,
        title=_title(blueprint, layout, options),
        options={**blueprint.options, **options},
        parameters=0,
        limits=LIMITS,
        choices=(),
        **{"is_rgb": False, "neighbours": 0, **statistics, **changes},
    )
    return _with_contrasts(card, inputs, outputs, name)


def blueprint_of(layout: Layout) -> ModelCard:
    """Give the card without weights that files of a layout fill.

    Raises
    ------
    WeightsError
        If this installation lacks it.
    """
    for card in blueprints():
        if card.id == layout.card:
            return card
    raise WeightsError(
        f"The card {layout.card}, which files of {layout.name} need, is missing: "
        "install napari-medsynth again."
    )


def known_networks() -> list[str]:
    """Name the networks whose published files can be read."""
    filled = {one.card for one in all_layouts() if not one.refused}
    names = {_network_of(card) for card in blueprints() if card.id in filled}
    return [RESVIT, *sorted(names)]


def _named(wanted: str, usable: Sequence[Layout], name: str) -> Layout:
    """Find the layout that was asked for among those that fit."""
    wanted = wanted.casefold()
    exact = [one for one in usable if one.name.casefold() == wanted]
    found = exact or [one for one in usable if wanted in one.name.casefold()]
    if len(found) != 1:
        fitting = ", ".join(repr(one.name) for one in usable)
        raise WeightsError(f"{name} fits the layouts {fitting}: choose one of these.")
    return found[0]


def _title(blueprint: ModelCard, layout: Layout, options: Mapping[str, Any]) -> str:
    """Say whose file it is, and which network of which size it holds."""
    sizes = [
        text.format(_words(options[key]))
        for key, text in _SIZES.items()
        if key in options
    ]
    if not blueprint.is_restoration:  # networks of one class have several names
        return ", ".join([layout.name, *sizes])
    scale = f" x{options['scale']}" if "scale" in options else ""
    network = f"{_network_of(blueprint)}{scale}"
    return ", ".join([network, *sizes, f"file of {layout.name}"])


def _words(size: Any) -> str:
    return "-".join(map(str, size)) if isinstance(size, list | tuple) else str(size)


def _network_of(card: ModelCard) -> str:
    return card.factory.partition(":")[2]


def _statistics(blueprint: ModelCard, options: Mapping[str, Any]) -> str:
    """Say whose statistics batch norms use: pix2pix was tested in training mode."""
    if blueprint.task == "synthesis" and options.get("norm") == "batch":
        return "batch"
    return blueprint.norm_statistics


def _with_contrasts(
    card: ModelCard,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    name: str,
) -> ModelCard:
    """Give a card one name for each image of its channels."""
    n_in, n_out = card.options["in_channels"], card.options["out_channels"]
    if card.is_unified:
        inputs, outputs = inputs or outputs, outputs or inputs
    inputs = tuple(inputs or card.inputs)
    outputs = tuple(outputs or card.outputs)
    if (len(inputs), len(outputs)) == (n_in, n_out) and n_in > 1:
        card = replace(card, is_rgb=False, neighbours=0)
    colours = 3 if card.is_rgb else 1
    shown = colours * (2 * card.neighbours + 1)
    return replace(
        card,
        inputs=modalities(inputs, "inputs", n_in // shown, name),
        outputs=modalities(outputs, "outputs", n_out // colours, name),
    )
