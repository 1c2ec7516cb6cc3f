import json
from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.catalogue import (
    check_id_is_free,
    get_card,
    get_pack,
    list_cards,
    models_folder,
    read_pack,
    write_pack,
)
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.training.guard.keep import (
    RESTRICTED,
    Counts,
    describe_data,
    free_id,
    keep,
    quality_rows,
)
from napari_medsynth.training.guard.verdict import Comparison, reach_verdict

NAMES = ("Erika-Muster", "sub-4711", "GRANDMA_1931")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))


@pytest.fixture
def parent(base):
    """The base with what a card inherits."""
    card = replace(
        base.card,
        licence="BSD-3-Clause",
        training_data="Many brains.",
        limits="Not for diagnosis.",
        quality=({"data": "elsewhere", "psnr": 30.0},),
    )
    return write_pack(base.path, card, base.weights())


def row(subject, psnr, available="T1+T2", target="FLAIR"):
    scores = {"psnr": psnr, "ssim": 0.9, "mae": 0.05}
    base = {f"base_{m}": value / 2 for m, value in scores.items()}
    question = {"subject": subject, "available": available, "target": target}
    return {**question, **scores, **base, "n_slices": 24}


@pytest.fixture
def verdict():
    differences = {m: [[1.0, 1.2]] for m in ("psnr", "ssim")}
    sample = Comparison([row("simulated-2", 27.0)], {"psnr": [[-3.0, -3.1]]})
    return reach_verdict(
        Comparison([row(NAMES[2], 20.0), row(NAMES[2], 22.0, "T1")], differences),
        sample,
        notes=[f"{NAMES[1]} was not measured."],
    )


@pytest.fixture
def folder(tmp_path, parent, tuning_job):
    """A run's folder as training leaves it: pack, job and data report."""
    place = tmp_path / "run"
    place.mkdir()
    weights = {key: array * 2 for key, array in parent.weights().items()}
    facts = {"steps": 40, "seed": 1, "date": "2026-11-20"}
    card = replace(parent.card, id="tiny", title="Tiny", training=facts)
    write_pack(place / "tuned.safetensors", card, weights)
    studies = [
        {
            "subject": name,
            "T1": f"/data/{name}/T1.nii.gz",
            "FLAIR": f"/data/{name}/F.nii",
        }
        for name in NAMES
    ]
    job = replace(tuning_job, data=replace(tuning_job.data, studies=tuple(studies)))
    (place / "job.json").write_text(json.dumps(job.to_json()))
    report = {
        "studies": studies,
        "held_out": [NAMES[2]],
        "subjects": [
            {"name": name, "n_slices": 100 + i, "contrasts": {"T1": {}, "FLAIR": {}}}
            for i, name in enumerate((*NAMES, "unusable"))
        ],
    }
    (place / "report.json").write_text(json.dumps(report))
    return place


def test_kept_model_is_installed_with_the_tuned_weights(folder, verdict):
    kept = keep(folder, verdict, id="my-site", title="My site")

    assert get_card("my-site") == kept.card
    assert kept.card.title == "My site"
    assert kept.path.parent == models_folder()
    tuned = read_pack(folder / "tuned.safetensors").weights()
    for name, array in get_pack("my-site").weights().items():
        np.testing.assert_array_equal(array, tuned[name])


def test_card_tells_counts_recipe_parent_and_date(folder, verdict, parent):
    card = keep(folder, verdict, id="my-site", title="My site").card

    assert card.training_data == (
        "Fine-tuned from Tiny base on 2 subjects, 201 slices, T1 FLAIR; none named; "
        "1 more subject held out. Before: Many brains."
    )
    assert card.training["parent"] == parent.card.sha256 != card.sha256
    assert (card.training["base"], card.training["steps"]) == ("tiny-base", 40)
    assert card.training["date"] == "2026-11-20"
    assert (card.training["subjects"], card.training["slices"]) == (2, 201)
    assert card.training["verdict"] == verdict.verdict
    assert card.training["psnr_difference"][0] == pytest.approx(1.1)
    assert card.inputs == parent.card.inputs


def test_card_tells_limits_and_licence_of_base_and_data(folder, verdict):
    card = keep(folder, verdict, id="my-site", title="My site").card

    assert card.limits.startswith("Not for diagnosis. After fine-tuning: ")
    assert "The verdict is weak" in card.limits
    assert "Warning: the base model's own task" in card.limits
    assert card.licence == f"BSD-3-Clause ({RESTRICTED})"


def test_nothing_in_the_installed_file_names_a_subject(folder, verdict):
    kept = keep(folder, verdict, id="my-site", title="My site")

    content = kept.path.read_bytes()
    assert b"my-site" in content
    for name in (*NAMES, "/data", str(folder)):
        assert name.encode() not in content


def test_quality_has_the_rows_of_a_card(verdict):
    rows = quality_rows(verdict)

    assert list(rows[0])[:6] == ["data", "available", "target", "psnr", "ssim", "mae"]
    assert rows[0] == {
        "data": "1 held-out subject",
        "available": "T1+T2",
        "target": "FLAIR",
        "psnr": 20.0,
        "ssim": 0.9,
        "mae": 0.05,
        "base_psnr": 10.0,
        "base_ssim": 0.45,
        "base_mae": 0.025,
    }
    assert [r["psnr"] for r in rows] == [20.0, 22.0, 27.0]
    assert "sample study" in rows[2]["data"]


def test_quality_averages_subjects():
    held_out = Comparison([row("a", 20.0), row("b", 23.0)], {"psnr": [[1.0], [2.0]]})

    rows = quality_rows(reach_verdict(held_out, Comparison()))

    assert [(r["data"], r["psnr"]) for r in rows] == [("2 held-out subjects", 21.5)]


def test_taken_ids_get_a_number(folder, verdict):
    kept = [keep(folder, verdict, id="my-site", title="My site") for _ in range(3)]

    assert [one.card.id for one in kept] == ["my-site", "my-site-2", "my-site-3"]
    assert {c.id for c in list_cards()} >= {"my-site", "my-site-2", "my-site-3"}


def test_embedded_model_and_foreign_file_keep_their_place():
    check_id_is_free("new")
    models_folder().mkdir(parents=True)
    (models_folder() / "new.safetensors").write_bytes(b"not ours")

    assert free_id("new") == "new-2"
    assert free_id("resvit-starter") == "resvit-starter-2"


def test_tuned_again_says_the_licence_once(folder, verdict, tuning_job):
    first = keep(folder, verdict, id="one", title="One")
    job = json.loads((folder / "job.json").read_text()) | {"base": "one"}
    (folder / "job.json").write_text(json.dumps(job))

    second = keep(folder, verdict, id="two", title="Two").card

    assert second.licence == first.card.licence
    assert second.training["base"] == "one"
    assert second.training_data.count("none named") == 2


def test_run_without_report_job_or_base_is_still_kept(folder):
    (folder / "report.json").unlink()
    assert (
        "2 subjects, T1 FLAIR"
        in keep(folder, None, id="a", title="A").card.training_data
    )

    (folder / "job.json").unlink()
    card = keep(folder, None, id="b", title="B").card

    assert (
        card.training_data
        == "Fine-tuned on local data; none named. Before: Many brains."
    )
    assert card.quality == ()
    assert "slices" not in card.training  # unknown is not 0
    assert "Not compared" in card.limits


def test_missing_weights_or_wrong_id_are_told(folder, verdict):
    with pytest.raises(CardError, match="lower-case"):
        keep(folder, verdict, id="Ä b", title="A")
    (folder / "tuned.safetensors").unlink()
    with pytest.raises(WeightsError, match="does not exist"):
        keep(folder, verdict, id="a", title="A")
    assert not list(models_folder().glob("*"))


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(), "local data; none named."),
        (Counts(simulated_share=1.0), "simulated subjects only; none named."),
        (
            Counts(12, 3, 1480, ("T1", "T2", "FLAIR"), 0.25),
            "12 subjects, 1480 slices, T1 T2 FLAIR; none named; 3 more subjects held "
            "out; 25% of the slices simulated.",
        ),
        (Counts(1, 0, 1, ("T1", "T2")), "1 subject, 1 slice, T1 T2; none named."),
    ],
)
def test_data_are_described_by_counts(counts, text):
    assert describe_data(counts) == text
