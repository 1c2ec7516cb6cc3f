"""Reading a job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_medsynth.errors import CardError
from napari_medsynth.resources import resource
from napari_medsynth.training import DataConfig, TrainJob, job_from_json, read_job

MINIMAL = 'id = "a"\ntitle = "A"\nbase = "b"\n'
DATA = "[data]\nsimulated_share = 1\n"


def written(folder: Path, text: str, name: str = "job.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_job_survives_json(job):
    assert job_from_json(json.loads(json.dumps(job.to_json()))) == job


def test_json_and_toml_say_the_same(tmp_path):
    values = {"id": "a", "title": "A", "base": "b", "data": {"simulated_share": 1}}

    one = read_job(written(tmp_path, MINIMAL + DATA))
    other = read_job(written(tmp_path, json.dumps(values), "job.json"))

    assert one == other
    assert isinstance(one.data.simulated_share, float)


def test_lists_become_tuples_and_integers_floats(tmp_path):
    text = MINIMAL + DATA + 'planes = ["coronal", "axial"]\n[learn]\nclip = 1\n'

    job = read_job(written(tmp_path, text))

    assert job.data.planes == ("coronal", "axial")
    assert isinstance(job.learn.clip, float)


def test_paths_start_at_the_file_and_may_name_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SCANS", "/scans")
    text = (
        'id = "a"\ntitle = "A"\nbase = "old.safetensors"\n[data]\nfolder = "site"\n'
        '[[data.studies]]\nsubject = "ann"\nT1 = "$MY_SCANS/T1.nii"\nT2 = "T2.nii"\n'
    )

    job = read_job(written(tmp_path, text))

    assert job.base == str(tmp_path / "old.safetensors")
    assert job.data.folder == str(tmp_path / "site")
    assert job.data.studies == (
        {
            "subject": "ann",
            "T1": str(Path("/scans/T1.nii").absolute()),
            "T2": str(tmp_path / "T2.nii"),
        },
    )


def test_the_id_of_a_base_is_no_path(tmp_path):
    assert read_job(written(tmp_path, MINIMAL + DATA)).base == "b"


@pytest.mark.parametrize("name", ["starter.toml", "starter-1.toml"])
def test_the_recipes_of_the_starter_are_valid(monkeypatch, name):
    monkeypatch.setenv("MEDSYNTH_SHARED", "/shared")

    job = read_job(resource("training", name))

    assert job.id == "resvit-starter"
    assert "ms_lesjak_p07" not in json.dumps(job.to_json()["data"]["studies"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINIMAL + "[learn]\nepoch = 3\n", r"no setting learn\.epoch"),
        (MINIMAL + 'titl = "A"\n', r"no setting titl \(is it title\?\)"),
        (MINIMAL + "[learn]\nepochs = 0\n", r"learn\.epochs: it should be .* got 0"),
        (MINIMAL + '[learn]\nepochs = "many"\n', r"learn\.epochs.*got 'many'"),
        (MINIMAL + '[learn]\nprecision = "fp8"\n', r"'fp32' or 'bf16', got 'fp8'"),
        (MINIMAL + "[data]\nplanes = []\n", r"data\.planes.*at least 1"),
        (MINIMAL, "needs data: set folder, studies or simulated_share"),
        (MINIMAL + '[data]\nfolder = "$NO_SUCH/x"\n', "environment variable"),
        ('id = "a"\ntitle = "A"\n' + DATA, "needs base .* or network"),
        ('id = "a"\nbase = "b"\n' + DATA, "title is missing"),
        ("id = ", "is no TOML file"),
    ],
)
def test_a_wrong_job_is_refused_with_a_sentence(tmp_path, text, sentence):
    with pytest.raises(CardError, match=sentence):
        read_job(written(tmp_path, text))


def test_several_mistakes_are_counted():
    values = {"id": "a", "title": "A", "base": "b", "learn": {"epochs": 0, "clip": -1}}

    with pytest.raises(CardError, match=r"got 0 \(and 1 more\)\.$"):
        job_from_json(values)


def test_files_that_hold_no_job_are_refused(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_job(tmp_path / "none.toml")
    with pytest.raises(CardError, match="must hold one object, got list"):
        read_job(written(tmp_path, "[]", "job.json"))
    with pytest.raises(CardError, match="is no JSON file"):
        read_job(written(tmp_path, "{", "job.json"))


def test_a_job_needs_something_to_learn_from():
    with pytest.raises(CardError, match="needs data"):
        TrainJob(id="a", title="A", base="b", data=DataConfig())
