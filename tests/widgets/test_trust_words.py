"""What the Trust dock says, and the advice and share views that show it."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_medsynth.trust.advice import Quality
from napari_medsynth.trust.one_slice import Tally
from napari_medsynth.trust.site import Row, SelfTest, save_self_test, site_file
from napari_medsynth.widgets._trust_words import (
    consistency_sentences,
    expected_sentences,
    remarks_on,
    shares_of,
)
from napari_medsynth.widgets.parts.advice_view import AdviceView
from napari_medsynth.widgets.parts.share_bars import ShareBars
from widgets.trust_model import CARD


def tally(contributions, alone, left_out, n_voxels=10):
    sums = np.array([[contributions], [alone], [left_out]], float)
    names = ("T1", "T2", "PD")[: len(contributions)]
    return Tally(("FLAIR",), names, sums, n_voxels)


def row(subject, sources, psnr):
    return Row(subject, sources, "FLAIR", psnr, 0.9, 0.02)


@pytest.fixture
def site():
    rows = [
        row("a", ("T1",), 20.0),
        row("a", ("T1", "PD"), 23.0),
        row("b", ("T1",), 22.0),
        row("b", ("T1", "PD"), 23.0),
    ]
    return SelfTest(CARD.id, CARD.sha256, "2026-11-20", tuple(rows))


@pytest.fixture
def advice(qtbot):
    view = AdviceView()
    qtbot.addWidget(view)
    return view


def test_shares_are_of_the_sum_and_changes_of_the_range():
    (rows,) = shares_of(tally([6, 3, 1], [1, 2, 4], [2, 1, 0.1])).values()
    assert [r.share for r in rows] == [0.6, 0.3, 0.1]
    assert [r.alone for r in rows] == [0.05, 0.1, 0.2]  # / 10 voxels / range of 2
    assert [r.left_out for r in rows] == [0.1, 0.05, 0.005]


def test_a_large_share_that_nobody_would_miss_is_said():
    (sentence,) = remarks_on(tally([5, 5], [0.1, 0.1], [0.1, 4]))
    assert "without T1" in sentence and "0.5%" in sentence and "50%" in sentence


def test_a_small_share_that_nobody_would_miss_is_not_said():
    assert remarks_on(tally([9, 1], [1, 1], [9, 0.01])) == []


def test_empty_slices_and_single_scans_are_said():
    assert "nothing to see" in remarks_on(tally([0, 0], [0, 0], [0, 0], 0))[0]
    assert "one scan only" in remarks_on(tally([1], [0], [1]))[0]


def test_expected_error_is_the_mean_and_spread_of_the_self_test(site):
    (sentence,) = expected_sentences(CARD, ("T1",), ("FLAIR", "T2"), site)
    assert "PSNR 21.0 \N{PLUS-MINUS SIGN} 1.4 dB" in sentence  # sqrt(2)
    assert "2 subjects" in sentence
    assert expected_sentences(CARD, ("T1",), ("FLAIR",), None) == []


def test_synthesize_dock_says_what_to_expect_here(dock, unified):
    rows = (Row("a", ("T1", "T2"), "FLAIR", 24.5, 0.9, 0.02),)
    save_self_test(unified, SelfTest(unified.id, unified.sha256, "2026-11-20", rows))
    dock.modality_table.changed.emit()
    said = dock.quality_label.text().splitlines()
    assert said[1].startswith("FLAIR: PSNR 27.2 dB")  # the card's
    assert said[2].startswith("Expected here, FLAIR: PSNR 24.5 dB")
    site_file(unified).write_text("{")
    dock.modality_table.changed.emit()
    assert "Expected here" not in dock.quality_label.text()


def agreement(psnr, usual):
    known = None if usual is None else Quality(usual, 0.9, "Measured somewhere.")
    return SimpleNamespace(scores=SimpleNamespace(psnr=psnr), usual=known)


@pytest.mark.parametrize(
    ("psnr", "usual", "expected"),
    [
        (18.0, 20.5, "T1 is 2.5 dB worse than usual"),
        (20.0, 20.5, "No scan is clearly worse"),
        (20.0, None, "never measured"),
    ],
)
def test_consistency_is_weighed_against_what_is_usual(psnr, usual, expected):
    found = SimpleNamespace(target="FLAIR", agreements={"T1": agreement(psnr, usual)})
    assert expected in consistency_sentences(found)[0]


def test_advice_of_the_card_names_its_data(advice):
    advice.show_choice(CARD, ("T1",), ("FLAIR",))
    assert advice.best_label.text() == "T2 would help FLAIR most: PSNR +1.5 dB."
    assert advice.table.texts() == [["T2 for FLAIR", "+1.5", "+0.050"]]
    assert "authors: real" in advice.basis_label.text()


def test_advice_of_the_site_counts_before_the_card(advice, site):
    save_self_test(CARD, site)
    advice.show_choice(CARD, ("T1",), ("FLAIR",))
    assert advice.table.texts() == [
        ["PD for FLAIR", "+2.0", "+0.000"],
        ["T2 for FLAIR", "+1.5", "+0.050"],
    ]
    assert "Measured here on 2 subjects" in advice.basis_label.text()
    assert "do not compare" in advice.basis_label.text()
    assert "PSNR 21.0" in advice.expected_label.text()


def test_advice_says_why_there_is_none(advice, one_to_one):
    advice.show_choice(CARD, ("T1", "T2", "PD"), ("FLAIR",))
    assert "every other scan" in advice.best_label.text()
    advice.show_choice(CARD, ("PD",), ("T1",))
    assert "never measured" in advice.best_label.text()
    advice.show_choice(one_to_one, ("T1",), ("CT",))
    assert "takes all of T1" in advice.best_label.text()
    advice.show_choice(None, (), ())
    assert advice.best_label.text() == ""


def test_damaged_self_test_is_said(advice):
    path = site_file(CARD)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    advice.show_choice(CARD, ("T1",), ("FLAIR",))
    assert "damaged" in advice.best_label.text()


def test_bars_are_as_long_as_the_share(qtbot):
    bars = ShareBars()
    qtbot.addWidget(bars)
    bars.resize(400, 120)
    bars.show_shares(shares_of(tally([6, 2], [1, 2], [2, 1])))
    bars.show()
    qtbot.waitExposed(bars)
    widths = {}
    for (_, source), one in bars.rows.items():
        image = one.bar.grab().toImage()
        y = image.height() - 3  # below the words
        empty = image.pixelColor(image.width() - 3, y)
        filled = [image.pixelColor(x, y) != empty for x in range(image.width())]
        widths[source] = sum(filled) / image.width()
    assert widths["T1"] == pytest.approx(0.75, abs=0.03)
    assert widths["T2"] == pytest.approx(0.25, abs=0.03)
    assert "75% of FLAIR" in bars.rows["FLAIR", "T1"].bar.accessibleName()
