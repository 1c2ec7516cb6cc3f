from dataclasses import replace

import pytest

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError


def test_card_survives_json(card):
    assert ModelCard.from_json(card.to_json()) == card


def test_lists_of_json_become_tuples(card):
    values = {**card.to_json(), "inputs": ["T1"], "quality": [{"data": "phantom"}]}

    again = ModelCard.from_json(values)

    assert again.inputs == ("T1",)
    assert again.quality == ({"data": "phantom"},)


def test_keys_of_a_newer_version_are_ignored(card):
    assert ModelCard.from_json({**card.to_json(), "colour": "blue"}) == card


def test_images_may_be_mirrored_unless_the_card_forbids_it(card):
    older = {key: v for key, v in card.to_json().items() if key != "flips"}

    assert ModelCard.from_json(older).flips
    assert not ModelCard.from_json({**older, "flips": False}).flips


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("title", 3, "text"),
        ("inputs", "T1", "a list of texts"),
        ("inputs", [1], "a list of texts"),
        ("is_unified", "yes", "true or false"),
        ("is_unified", 1, "true or false"),
        ("flips", 1, "true or false"),
        ("size_multiple", 1.5, "a whole number"),
        ("size_multiple", True, "a whole number"),
        ("spacing", "1", "a number or null"),
        ("missing_value", None, "a number"),
        ("options", [], "an object"),
        ("intensity", {"*": 3}, "an object of objects"),
        ("quality", [3], "a list of objects"),
    ],
)
def test_wrong_type_is_one_sentence(card, key, value, wanted):
    with pytest.raises(CardError) as caught:
        ModelCard.from_json({**card.to_json(), key: value})

    assert str(caught.value) == (
        f"Card 'tiny-t1-t2': {key} must be {wanted}, got {value!r}."
    )


def test_missing_keys_are_named(card):
    values = card.to_json()
    del values["outputs"], values["factory"]

    with pytest.raises(CardError, match="it needs factory, outputs"):
        ModelCard.from_json(values)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../escape"},
        {"id": "Upper"},
        {"id": ""},
        {"task": "painting"},
        {"norm_statistics": "none"},
        {"inputs": ()},
        {"is_unified": True},
    ],
)
def test_impossible_values_are_refused(card, changes):
    with pytest.raises(CardError):
        replace(card, **changes)


UNIFIED = {"inputs": ("T1", "T2", "PD"), "outputs": ("T1", "T2", "PD")}


@pytest.mark.parametrize(
    ("unified", "sources", "targets", "reason"),
    [
        (False, {"T1"}, ["T2"], ""),
        (False, {"T1"}, [], "Nothing to synthesise"),
        (False, {"T1"}, ["PD"], "cannot make PD"),
        (False, {"CT"}, ["T2"], "No source"),
        (True, {"T2"}, ["T1", "PD"], ""),
        (True, {"T1"}, ["T1"], "No source"),
        (True, set(), ["T1"], "No source"),
    ],
)
def test_why_not_says_what_is_missing(card, unified, sources, targets, reason):
    if unified:
        card = replace(card, is_unified=True, **UNIFIED)

    answer = card.why_not(sources, targets)

    assert reason in answer
    assert bool(answer) == bool(reason)


def test_many_to_one_needs_every_input(card):
    card = replace(card, inputs=("T1", "PD"))

    assert card.why_not({"T1"}, ["T2"]) == "Tiny needs PD too."
