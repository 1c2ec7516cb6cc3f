"""Tuned pairs: which of the listed models was fine-tuned from which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from napari_medsynth.catalogue import ModelCard

BEFORE, BETWEEN, AFTER = "before", "between", "after"


def base_of(card: ModelCard, cards: Iterable[ModelCard]) -> ModelCard | None:
    """Give the base among `cards` that a card was fine-tuned from; None if it is not.

    A base is known by its weights: ``training["parent"]`` is their sha256, so another
    version of the base is none. Among copies of it, the one with the id in
    ``training["base"]`` is preferred.
    """
    parent = card.training.get("parent")
    if not parent or parent == card.sha256:  # unchanged weights
        return None
    bases = [one for one in cards if one.sha256 == parent]
    named = [one for one in bases if one.id == card.training.get("base")]
    return next(iter([*named, *bases]), None)


def stages_of(cards: Mapping[str, ModelCard]) -> dict[str, str]:
    """Give "before" or "after" fine-tuning by the titles of `cards`; others lack.

    A model that is both, tuned from one and base of another, is "between".
    """
    found = {title: base_of(card, cards.values()) for title, card in cards.items()}
    bases = {base.id for base in found.values() if base is not None}
    stages = {}
    for title, card in cards.items():
        if card.id in bases:
            stages[title] = BEFORE if found[title] is None else BETWEEN
        elif found[title] is not None:
            stages[title] = AFTER
    return stages


def in_order(cards: Iterable[ModelCard]) -> list[ModelCard]:
    """Give `cards` with each tuned model below its base, else as they were."""
    listed = list(cards)
    ordered: list[ModelCard] = []
    for card in listed:
        if base_of(card, listed) is None:
            ordered += _family(card, listed)
    return ordered + [card for card in listed if card not in ordered]


def pair_of(
    ticked: Iterable[ModelCard], cards: Iterable[ModelCard]
) -> tuple[ModelCard, ...]:
    """Give base and tuned model, in this order, that belong to a ticked one; or ().

    A base with several tuned models goes with a ticked one, or else with the last.
    """
    asked, listed = list(ticked), list(cards)
    for card in asked:
        base = base_of(card, listed)
        if base is not None:
            return base, card
    for card in asked:
        tuned = [one for one in listed if base_of(one, listed) == card]
        if tuned:
            return card, tuned[-1]
    return ()


def _family(card: ModelCard, cards: list[ModelCard]) -> list[ModelCard]:
    """Give a card and all that was tuned from it, each below its base."""
    family = [card]
    for one in cards:
        if base_of(one, cards) == card:
            family += _family(one, cards)
    return family
