"""The input passport: every question, on heads whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import shift

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import Result
from napari_medsynth.io import Study
from napari_medsynth.prepare import look_at, misalignment
from napari_medsynth.prepare.features import summary_of
from napari_medsynth.trust.passport import Check, Passport, inspect, stamped
from prepare.heads import CONTRASTS, brain, volume, with_skull


@pytest.fixture(scope="module")
def card() -> ModelCard:
    looks = {c: [look_at(brain(c, seed=s)) for s in (1, 2)] for c in CONTRASTS}
    return ModelCard(
        id="heads",
        family="resvit",
        task="synthesis",
        title="Heads",
        factory="napari_medsynth.models.resvit:ResViT",
        inputs=tuple(CONTRASTS),
        outputs=tuple(CONTRASTS),
        is_unified=True,
        spacing=3.0,
        features=summary_of(looks),
    )


def passport_of(card, plane="axial", **volumes) -> Passport:
    return inspect(Study(volumes), card, tuple(volumes), plane=plane)


def the(passport: Passport, name: str, modality: str) -> Check:
    (found,) = (c for c in passport.checks if (c.name, c.modality) == (name, modality))
    return found


def test_good_sources_have_no_objection(card):
    passport = passport_of(card, T1=brain("T1"), T2=brain("T2"))

    assert passport.level == "green", passport.objections
    assert passport.objections == ()
    assert passport.summary == "Sources: no objection"
    assert {c.name for c in passport.checks} == {
        "contrast",
        "skull",
        "field of view",
        "orientation",
        "spacing",
        "histogram",
        "distance",
        "overlap",
        "alignment",
    }


def test_exchanged_sources_are_to_be_swapped(card):
    passport = passport_of(card, T1=brain("T2"), T2=brain("T1"))

    for one, other in (("T1", "T2"), ("T2", "T1")):
        check = the(passport, "contrast", one)
        assert (check.level, check.fix, check.other) == ("red", "swap", other)
        assert f"{one} looks like a {other}" in check.sentence
    assert passport.level == "red"
    assert passport.checks[0].level == "red"


def test_a_source_in_a_wrong_slot_is_to_be_moved_to_an_empty_one(card):
    check = the(passport_of(card, T1=brain("FLAIR")), "contrast", "T1")

    assert (check.level, check.fix, check.other) == ("red", "move", "FLAIR")


def test_twice_the_same_contrast_is_said_but_not_swapped(card):
    passport = passport_of(card, T1=brain("T1"), T2=brain("T1", seed=8))

    check = the(passport, "contrast", "T2")
    assert (check.level, check.fix) == ("red", "")
    assert "right one" in check.sentence
    assert the(passport, "contrast", "T1").level == "green"


def test_a_skull_that_was_never_seen_is_wrong(card):
    passport = passport_of(card, T1=with_skull("T1"))

    check = the(passport, "skull", "T1")
    assert check.level == "red"
    assert "only seen brains" in check.sentence
    heads = {"T1": [look_at(with_skull("T1", seed=s)) for s in (1, 2)]}
    trained_on_heads = replace(card, features=summary_of(heads))
    assert the(
        passport_of(trained_on_heads, T1=with_skull("T1")), "skull", "T1"
    ).level == ("green")
    check = the(passport_of(trained_on_heads, T1=brain("T1")), "skull", "T1")
    assert check.level == "amber"


def asymmetric(contrast):
    """A brain with a mark, so that it cannot be turned unnoticed."""
    whole = brain(contrast)
    array = whole.data.copy()
    for place in ((34, 20, 24), (44, 40, 22), (30, 30, 45)):
        array[0, *(slice(p - 4, p + 4) for p in place)] *= 0.5
    return whole.with_data(array)


def test_a_source_that_lies_elsewhere_is_to_be_registered(card):
    still = asymmetric("T1")
    moved = asymmetric("T2")
    moved = moved.with_data(shift(moved.data, (0, 0, 2, 1), order=1))  # 6 and 3 mm

    check = the(passport_of(card, T1=still, T2=moved), "alignment", "T2")

    assert (check.level, check.fix, check.other) in (
        ("amber", "register", "T1"),
        ("red", "register", "T1"),
    )
    apart = float(check.sentence.split(" mm")[0].rsplit(" ", 1)[1])
    assert apart == pytest.approx(np.hypot(6, 3), abs=0.7)


def test_sources_of_other_places_are_said_before_anything_is_registered(card):
    away = replace(brain("T2"), origin=(500.0, 0.0, 0.0))

    passport = passport_of(card, T1=brain("T1"), T2=away)

    check = the(passport, "overlap", "T2")
    assert (check.level, check.fix, check.other) == ("red", "register", "T1")
    assert "alignment" not in {c.name for c in passport.checks}


def test_part_of_the_field_of_view_is_doubtful(card):
    half = replace(brain("T2"), data=brain("T2").data[:, 20:], origin=(60.0, 0.0, 0.0))

    check = the(passport_of(card, T1=brain("T1"), T2=half), "overlap", "T2")

    assert check.level == "amber"
    # 44 of 64 slices, as far as 24 samples along that axis can tell
    share = float(check.sentence.split("%")[0].rsplit(" ", 1)[1])
    assert share == pytest.approx(100 * 44 / 64, abs=3)


@pytest.mark.parametrize(
    ("spacing", "level"),
    [((3.0, 3.0, 3.0), "green"), ((3.0, 6.5, 3.0), "amber"), ((5.5, 1, 1), "amber")],
)
def test_spacing_is_compared_with_the_cards(card, spacing, level):
    scan = replace(brain("T1"), spacing=spacing)

    assert the(passport_of(card, T1=scan), "spacing", "T1").level == level


def test_spacing_of_another_plane_is_that_of_its_slices(card):
    scan = replace(brain("T1"), spacing=(6.5, 3.0, 3.0))

    passport = passport_of(card, plane="coronal", T1=scan)

    assert "pixels of 6.5 mm" in the(passport, "spacing", "T1").sentence
    assert the(passport, "plane", "").level == "amber"


def test_a_head_wider_than_long_lies_wrong(card):
    squeezed = replace(brain("T1"), spacing=(3.0, 2.4, 3.2))

    check = the(passport_of(card, T1=squeezed), "orientation", "T1")

    assert check.level == "amber"
    assert "wider" in check.sentence


def test_a_strong_tilt_is_doubtful(card):
    angle = np.radians(40)
    turn = np.array(
        [
            [np.cos(angle), -np.sin(angle), 0],
            [np.sin(angle), np.cos(angle), 0],
            [0, 0, 1],
        ]
    )
    tilted = replace(brain("T1"), direction=turn)

    check = the(passport_of(card, T1=tilted), "orientation", "T1")

    assert check.level == "amber"
    assert "40 degrees" in check.sentence


def test_what_is_no_head_is_wrong(card):
    small = replace(brain("T1"), spacing=(1.0, 1.0, 1.0))

    assert the(passport_of(card, T1=small), "field of view", "T1").level == "red"


def test_a_saturated_scan_is_doubtful(card):
    whole = brain("T1")
    top = np.quantile(whole.data[whole.data > 0], 0.9)
    clipped = whole.with_data(np.minimum(whole.data, top))

    check = the(passport_of(card, T1=clipped), "histogram", "T1")

    assert check.level == "amber"
    assert "saturated" in check.sentence


def test_hounsfield_units_are_no_mr(card):
    head = brain("T1")
    as_ct = head.with_data(np.where(head.data > 0, head.data, -1000).astype("f4"))

    check = the(passport_of(card, T1=as_ct), "histogram", "T1")

    assert check.level == "red"
    assert "Hounsfield" in check.sentence


def test_a_strange_scan_is_far_from_training(card):
    head = brain("T1")
    rng = np.random.default_rng(3)
    strange = head.with_data(
        np.where(head.data > 0, rng.uniform(1, 900, head.data.shape), 0).astype("f4")
    )

    check = the(passport_of(card, T1=strange), "distance", "T1")

    assert check.level == "red"


def test_a_synthetic_source_is_doubtful(card):
    made = replace(brain("T1"), metadata={"synthetic": True})

    assert the(passport_of(card, T1=made), "synthetic", "T1").level == "amber"


def test_an_empty_source_is_a_red_check_and_no_error(card):
    passport = passport_of(card, T1=volume(np.zeros((20, 20, 20))), T2=brain("T2"))

    assert the(passport, "contrast", "T1").level == "red"


def test_a_single_slice_is_not_judged(card):
    one = replace(brain("T1"), data=brain("T1").data[:, 30:31])

    check = the(passport_of(card, T1=one), "contrast", "T1")

    assert check.level == "amber"
    assert "too few slices" in check.sentence


def test_without_features_only_the_geometry_is_judged(card):
    passport = passport_of(replace(card, features={}), T1=brain("T2"))

    assert {c.name for c in passport.checks} == {"spacing", "orientation"}
    assert passport.summary == "Sources: no objection, contrasts not judged"


def test_targets_and_strangers_are_no_sources(card):
    study = Study({"T1": brain("T1"), "T2": brain("T2"), "CT": brain("T1")})

    passport = inspect(study, card, ("T1", "T2", "CT", "PD"), ("T2",))

    assert {c.modality for c in passport.checks} == {"T1"}


def test_result_carries_the_passport_as_json(card):
    passport = passport_of(card, T1=brain("T2"))
    made = replace(brain("T2"), metadata={"synthetic": True, "provenance": {"a": 1}})
    result = Result({"T2": made}, {"rollout": made}, {"a": 1})

    written = stamped(result, passport)

    for one in (*written.volumes.values(), *written.attention.values()):
        assert one.metadata["provenance"]["a"] == 1
        assert one.metadata["provenance"]["passport"] == passport.to_json()
        assert one.is_synthetic
    assert written.provenance["passport"]["level"] == "red"
    assert "passport" not in result.provenance
    values = json.loads(json.dumps(passport.to_json()))
    assert values["checks"][0]["name"] == "contrast"


def test_the_same_volumes_are_looked_at_once(card, monkeypatch):
    from napari_medsynth.trust import passport as module

    counted, placed = [], []
    monkeypatch.setattr(
        module,
        "misalignment",
        lambda a, b: placed.append((a.name, b.name)) or misalignment(a, b),
    )
    monkeypatch.setattr(
        module, "look_at", lambda v: counted.append(v.name) or look_at(v)
    )
    study = Study({"T1": brain("T1"), "T2": brain("T2")})

    inspect(study, card, ("T1",))
    for _ in range(2):
        inspect(study, card, ("T1", "T2"))
    other = Study({"T1": brain("T1"), "T2": study["T2"]})
    inspect(other, card, ("T1", "T2"))

    assert counted == ["T1", "T2", "T1"]
    assert placed == [("T1", "T2"), ("T1", "T2")]  # of another T1 it is another place
