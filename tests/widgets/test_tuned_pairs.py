"""A tuned model beside its base: order, words, button, captions of the cells."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets import _attention_form
from napari_medsynth.widgets._attention_captions import elided, short_name, tops_of
from napari_medsynth.widgets.parts.model_list import ModelList
from napari_medsynth.widgets.parts.tuned_pairs import base_of, in_order, pair_of
from widgets.attention_models import looker_card

BASE, OTHER = looker_card("base"), looker_card("other")


def tuned(name, parent=BASE, **facts):
    known = {"base": parent.id, "parent": parent.sha256, **facts}
    return replace(looker_card(name), training=known)


TUNED = tuned("a-tuned")
AGAIN = tuned("again", TUNED)


def texts(models):
    return [models.item(row).text() for row in range(models.count())]


def tips(models):
    return [models.item(row).toolTip() for row in range(models.count())]


@pytest.fixture
def models(qtbot):
    made = ModelList()
    qtbot.addWidget(made)
    made.set_cards([TUNED, OTHER, BASE])
    return made


def test_a_base_is_known_by_its_weights():
    assert base_of(TUNED, [OTHER, BASE]) == BASE
    assert base_of(BASE, [TUNED, OTHER]) is None
    newer = replace(BASE, sha256="f" * 64)  # the same id with other weights
    assert base_of(TUNED, [newer]) is None
    copy = replace(BASE, id="copy")
    assert base_of(TUNED, [copy]) == copy
    assert base_of(TUNED, [copy, BASE]) == BASE


@pytest.mark.parametrize("parent", ["", None, 3, [], looker_card("x").sha256])
def test_a_parent_that_says_nothing_is_none(parent):
    card = replace(looker_card("x"), training={"parent": parent})
    assert base_of(card, [replace(BASE, sha256=""), BASE, card]) is None


def test_a_tuned_model_stands_below_its_base():
    second = tuned("second")
    listed = [AGAIN, TUNED, OTHER, BASE, second]
    names = [card.id for card in in_order(listed)]
    assert names == ["other", "base", "a-tuned", "again", "second"]
    assert in_order([OTHER, BASE]) == [OTHER, BASE]


def test_cards_that_name_each_other_are_listed_all():
    first = tuned("first", OTHER)
    loop = replace(OTHER, training={"parent": first.sha256})
    assert in_order([first, loop]) == [first, loop]


def test_the_list_says_before_and_after(models):
    dash = "\N{EM DASH}"
    assert texts(models) == ["Other", f"Base {dash} before", f"A-Tuned {dash} after"]
    assert tips(models)[2].endswith(", fine-tuned from Base")
    assert "fine-tuned" not in tips(models)[1]
    models.set_honesty("A-Tuned", False, "No.")
    assert texts(models)[2] == f"A-Tuned {dash} after {dash} not honest"
    models.set_cards([TUNED, OTHER])
    assert texts(models) == ["A-Tuned", "Other"]


def test_a_model_in_the_middle_is_between(models):
    models.set_cards([AGAIN, BASE, TUNED])
    assert [text.split()[-1] for text in texts(models)] == [
        "before",
        "between",
        "after",
    ]
    models.choose(["a-tuned", "again"])  # of these two it is the first
    assert models.stages() == {"A-Tuned": "before", "Again": "after"}


def test_a_pair_is_the_ticked_model_and_its_relative():
    listed = [OTHER, BASE, TUNED, AGAIN, tuned("second")]
    assert pair_of([OTHER], listed) == ()
    assert pair_of([TUNED], listed) == (BASE, TUNED)
    assert pair_of([AGAIN], listed) == (TUNED, AGAIN)
    assert pair_of([BASE], listed) == (BASE, listed[-1])
    assert pair_of([OTHER, BASE, TUNED], listed) == (BASE, TUNED)
    assert pair_of([TUNED], [TUNED, OTHER]) == ()


@pytest.fixture
def form(viewer, qtbot, monkeypatch):
    listed = [TUNED, OTHER, BASE]
    monkeypatch.setattr(_attention_form, "list_cards", lambda: listed)
    made = _attention_form.AttentionForm(viewer)
    qtbot.addWidget(made)
    made.show()
    return made


def test_one_button_ticks_exactly_both(form):
    models, button = form.model_list, form.both_button
    models.choose(["other"])
    assert not button.isVisible()
    for ticked in (["a-tuned"], ["base"], ["other", "a-tuned"]):
        models.choose(ticked)
        assert button.isVisible()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        assert list(models.cards()) == ["Base", "A-Tuned"]
        assert form.pair_box.pair() == ("Base", "A-Tuned")
    assert button.toolTip() and button.accessibleName()
    assert button.text() == "Befo&re and after"


def job_of(*titles, pair=(), is_reverse=False):
    source = MapSource("rollout")
    requests = dict.fromkeys(titles)
    facts = {"pair": pair, "is_reverse": is_reverse, "source": source}
    return SimpleNamespace(requests=requests, **facts)


def test_the_top_of_a_cell_says_before_or_after():
    stages = {"Base": "before", "Tuned": "after"}
    job = job_of("Base", "Tuned", "Other", pair=("Base", "Tuned"))
    assert tops_of(job, stages) == {
        "Base": "Base (before)",
        "Tuned": "Tuned (after)",
        "Other": "Other",
        "Tuned \N{MINUS SIGN} Base": "after \N{MINUS SIGN} before",
    }


def test_long_titles_keep_their_word():
    long = ("A model with a very long title, site A", "Another one, just as long")
    job = job_of(*long, pair=long)
    tops = tops_of(job, {long[0]: "before"})
    assert all(len(top) <= 30 for top in tops.values())
    assert tops[long[0]].startswith("A model") and tops[long[0]].endswith("A (before)")
    assert " \N{MINUS SIGN} " in tops[f"{long[1]} \N{MINUS SIGN} {long[0]}"]


def test_short_names_say_method_and_weights():
    assert short_name(job_of(), "1f3a5c77") == "rollout all blocks (1f3a5c)"
    assert short_name(job_of(is_reverse=True)) == "reverse rollout all blocks"


@pytest.mark.parametrize("longest", [5, 6, 11])
def test_an_elided_text_has_both_ends(longest):
    text = elided("abcdefghijkl", longest)
    assert len(text) == longest
    assert text[0] == "a" and text[-1] == "l"
    assert elided("abc", 3) == "abc"
