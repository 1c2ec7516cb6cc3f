"""What is kept of measurements at this site."""

import json
from dataclasses import replace
from statistics import stdev

import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.trust.site import (
    Row,
    SelfTest,
    expected,
    forget_self_test,
    load_record,
    load_self_test,
    save_record,
    save_self_test,
    site_file,
)

SOURCES = ("T1", "T2")


def self_test(card, *rows, date="2026-11-20"):
    return SelfTest(card.id, card.sha256, date, rows)


def row(subject, psnr, sources=SOURCES, target="FLAIR", plane="axial"):
    return Row(subject, sources, target, psnr, psnr / 100, 1 / psnr, plane, 9)


def test_self_test_survives_keeping(home, card):
    test = self_test(card, row("a", 20.0), row("b", 22.5))

    save_self_test(card, test)

    assert load_self_test(card) == test
    assert site_file(card) == home / "site" / f"{card.sha256}.json"


def test_expected_is_the_mean_and_spread_over_subjects(home, card):
    rows = [row("a", 20.0), row("b", 22.0), row("c", 27.0)]
    other = [row("a", 5.0, ("T1",)), row("a", 6.0, target="PD")]
    save_self_test(card, self_test(card, *rows, *other))

    found = expected(card, ["T2", "T1"], "FLAIR")  # in any order

    assert found.psnr == pytest.approx(23.0)
    assert found.ssim == pytest.approx(0.23)
    assert found.mae == pytest.approx((1 / 20 + 1 / 22 + 1 / 27) / 3)
    assert found.spread == pytest.approx(stdev([20.0, 22.0, 27.0]))
    assert found.n_subjects == 3
    assert "3 subjects" in found.basis
    assert "2026-11-20" in found.basis


def test_one_subject_has_no_spread(home, card):
    save_self_test(card, self_test(card, row("a", 20.0)))

    found = expected(card, SOURCES, "FLAIR")

    assert found.spread is None
    assert "1 subject " in found.basis


def test_planes_of_one_subject_are_one_subject(home, card):
    rows = [row("a", 20.0), row("a", 24.0, plane="coronal"), row("b", 30.0)]
    save_self_test(card, self_test(card, *rows))

    found = expected(card, SOURCES, "FLAIR")

    assert (found.psnr, found.n_subjects) == (26.0, 2)


def test_nothing_is_expected_of_what_was_not_measured(home, card):
    assert expected(card, SOURCES, "FLAIR") is None
    save_self_test(card, self_test(card, row("a", 20.0)))

    assert expected(card, ("T1",), "FLAIR") is None
    assert expected(card, SOURCES, "PD") is None
    assert expected(replace(card, sha256="f" * 64), SOURCES, "FLAIR") is None
    assert expected(replace(card, sha256=""), SOURCES, "FLAIR") is None


def test_later_self_test_adds_subjects_and_replaces_repeated_ones(home, card):
    save_self_test(card, self_test(card, row("a", 20.0), row("b", 21.0)))

    later = self_test(card, row("b", 25.0), row("c", 30.0), date="2026-11-21")
    joined = save_self_test(card, later)

    assert {r.subject: r.psnr for r in joined.rows} == {"a": 20.0, "b": 25.0, "c": 30.0}
    assert joined.n_subjects == 3
    assert load_self_test(card) == joined
    assert joined.date == "2026-11-21"


def test_other_records_stay_beside_a_self_test(home, card):
    save_record(card, "calibration", {"factor": 1.5})
    save_self_test(card, self_test(card, row("a", 20.0)))

    assert load_record(card, "calibration") == {"factor": 1.5}
    assert load_record(card, "other") is None
    assert json.loads(site_file(card).read_text())["model"] == "mixer"


def test_problems_are_not_kept(home, card):
    test = replace(self_test(card, row("a", 20.0)), problems=("Jane: no scans.",))

    save_self_test(card, test)

    assert "Jane" not in site_file(card).read_text()


@pytest.mark.parametrize("text", ["{", "[1]", '{"self_test": {"rows": [{}]}}'])
def test_damaged_file_is_named(home, card, text):
    path = site_file(card)
    path.parent.mkdir(parents=True)
    path.write_text(text)

    with pytest.raises(CardError, match="damaged"):
        load_self_test(card)


def test_model_without_weights_cannot_be_kept(home, card):
    with pytest.raises(CardError, match="no weights"):
        save_self_test(replace(card, sha256=""), self_test(card, row("a", 20.0)))


def test_forgetting_the_self_test_leaves_what_else_is_kept(home, card):
    save_self_test(card, self_test(card, row("a", 20.0)))
    save_record(card, "other", {"x": 1})

    forget_self_test(card)
    forget_self_test(card)  # nothing to forget: fine

    assert load_self_test(card) is None
    assert load_record(card, "other") == {"x": 1}
    assert load_record(replace(card, sha256="f" * 64), "other") is None
