import json
import subprocess
import sys

import numpy as np
import pytest

from napari_medsynth.cli import _outputs
from napari_medsynth.cli._inputs import parse_slices
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, same_grid

RESULT = "FLAIR_synthetic-tiny.nii.gz"


def words(scans, out, *more):
    named = [f"{m}={scans / f'sub-01_{m}w.nii.gz'}" for m in ("T1", "T2")]
    return ["synthesize", "--inputs", *named, "--model", "tiny", "-o", out, *more]


def test_files_become_a_synthetic_file_on_the_first_sources_grid(
    medsynth, tiny, scans, tmp_path, study
):
    out = tmp_path / "out"

    done = medsynth(*words(scans, out, "--target", "FLAIR"))

    assert done.code == 0, done.err
    assert done.out.splitlines() == [str(out / RESULT)]
    volume = read_volume(out / RESULT)
    assert same_grid(volume, study["T1"])
    assert volume.is_synthetic
    assert np.isfinite(volume.data).all()
    sidecar = json.loads((out / "FLAIR_synthetic-tiny.json").read_text())
    assert sidecar["SyntheticData"] is True
    assert sidecar["ModelSHA256"] == tiny.card.sha256
    passport = volume.metadata["provenance"]["passport"]
    assert passport["level"] in ("green", "amber", "red")
    assert ("overlap", "T2") in {(c["name"], c["modality"]) for c in passport["checks"]}
    assert sorted(p.name for p in out.iterdir()) == [
        "FLAIR_synthetic-tiny.json",
        RESULT,
    ]


def test_json_is_one_object(medsynth, tiny, scans, tmp_path):
    out = tmp_path / "out"

    done = medsynth(
        *words(scans, out, "--target", "FLAIR", "PD", "--slices", "2:4", "--json")
    )

    report = done.json
    assert report["paths"] == [
        str(out / f"{m}_synthetic-tiny.nii.gz") for m in ("FLAIR", "PD")
    ]
    assert report["sha256"] == tiny.card.sha256
    assert report["slices"] == 2
    assert report["device"] == "cpu"
    assert report["precision"] in ("fp32", "bf16")
    assert report["seconds"] > 0


def test_a_doubtful_source_is_a_warning(medsynth, tiny, scans, tmp_path):
    words = ["synthesize", "-i", scans, "-m", "tiny", "-o", tmp_path, "--slices", 3]

    done = medsynth(*words, "--plane", "sagittal", "--json")

    assert done.code == 0, done.err
    sentence = "Tiny was trained on axial slices, not sagittal ones."
    assert f"Warning: {sentence}" in done.err
    passport = done.json["passport"]
    assert sentence in [check["sentence"] for check in passport["checks"]]
    assert passport["level"] != "green"


def test_folder_is_guessed_and_target_defaults_to_what_is_missing(
    medsynth, tiny, scans, tmp_path
):
    done = medsynth(
        "synthesize", "--inputs", scans, "-m", "tiny", "-o", tmp_path, "--slices", 3
    )

    assert done.code == 0, done.err
    assert done.out.splitlines() == [str(tmp_path / RESULT)]


def test_earlier_result_beside_the_scans_is_no_source(medsynth, tiny, scans):
    run = ["synthesize", "-i", scans, "-m", "tiny", "-o", scans, "--slices", 3]
    assert medsynth(*run).code == 0

    again = medsynth(*run, "--overwrite", "--json")

    assert again.code == 0, again.err
    assert again.json["targets"] == ["FLAIR"]
    assert list(again.json["sources"]) == ["T1", "T2", "PD"]
    assert "is synthetic" in again.err


def test_named_contrast_wins_over_a_guessed_one(medsynth, tiny, scans, tmp_path):
    flair = f"FLAIR={scans / 'sub-01_PD.nii.gz'}"
    run = ["synthesize", "-i", scans, flair, "-m", "tiny", "-t", "PD", "-o", tmp_path]

    done = medsynth(*run, "--slices", "3", "--json")

    assert done.code == 0, done.err
    assert list(done.json["sources"]) == ["T1", "T2", "FLAIR"]


def test_plane_suffix_and_attention(medsynth, tiny, scans, tmp_path):
    more = ["-t", "FLAIR", "--plane", "coronal", "--slices", "20", "--suffix", ".nrrd"]

    done = medsynth(*words(scans, tmp_path, *more, "--attention", "rollout"))

    assert done.code == 0, done.err
    names = [line.rpartition("/")[2] for line in done.out.splitlines()]
    assert names == ["FLAIR_synthetic-tiny.nrrd", "attention_rollout-art_1_tiny.nrrd"]


def test_existing_file_is_kept_unless_overwrite(medsynth, tiny, scans, tmp_path):
    (tmp_path / RESULT).write_text("precious")
    run = words(scans, tmp_path, "--target", "FLAIR", "--slices", "3")

    refused = medsynth(*run)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert (tmp_path / RESULT).read_text() == "precious"
    assert medsynth(*run, "--overwrite").code == 0
    assert read_volume(tmp_path / RESULT).is_synthetic


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        (["--target", "CT"], 1, "cannot make CT"),
        (["--target", "nonsense"], 2, "is no contrast"),
        (["--target", "FLAIR", "--slices", "a"], 2, "Slices are"),
        (["--target", "FLAIR", "--slices", "99"], 1, "99"),
        (["--target", "FLAIR", "--suffix", ".jpg"], 2, "--suffix"),
        (["--target", "FLAIR", "--plane", "oblique"], 2, "oblique"),
        (["--target", "FLAIR", "--device", "quantum"], 1, "quantum"),
        (["--target", "FLAIR", "--attention", "none"], 2, "none"),
        (["--target", "FLAIR", "--inputs", "PD=again"], 2, "does not exist"),
        (["--target", "FLAIR", "--inputs", "PD="], 2, "needs a path"),
        (["--target", "FLAIR", "--model", "nope"], 1, "No model"),
        (["--colour"], 2, "No such option"),
    ],
)
def test_wrong_request_is_one_sentence_and_writes_nothing(
    medsynth, tiny, scans, tmp_path, more, code, reason
):
    out = tmp_path / "out"

    done = medsynth(*words(scans, out, *more))

    assert done.code == code
    assert reason in done.err
    assert done.out == ""
    assert not out.exists()


def test_same_contrast_twice_is_refused(medsynth, tiny, scans, tmp_path):
    file = scans / "sub-01_T1w.nii.gz"

    done = medsynth("synthesize", "-i", f"T1={file}", f"t1={file}", "-o", tmp_path)

    assert done.code in (1, 2)
    assert not list(tmp_path.glob("*.nii.gz"))


def test_unreadable_scan_is_one_sentence(medsynth, tiny, scans, tmp_path):
    (scans / "sub-01_T1w.nii.gz").write_bytes(b"no image")

    done = medsynth(*words(scans, tmp_path / "out", "--target", "FLAIR"))

    assert done.code == 1
    assert done.err.startswith("Error:")
    assert "sub-01_T1w" in done.err


def test_interrupt_is_exit_code_130_without_files(
    medsynth, tiny, scans, tmp_path, monkeypatch
):
    closed = []

    def interrupted(*args, **kwargs):
        try:
            yield from ()
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    monkeypatch.setattr("napari_medsynth.engine.predict", interrupted)

    done = medsynth(*words(scans, tmp_path / "out", "--target", "FLAIR"))

    assert done.code == 130
    assert closed
    assert not (tmp_path / "out").exists()


def test_interrupt_while_writing_leaves_nothing(study, tmp_path, monkeypatch):
    write = _outputs.write_volume

    def write_one(volume, path):
        if "second" in path.name:
            raise KeyboardInterrupt
        return write(volume, path)

    monkeypatch.setattr(_outputs, "write_volume", write_one)
    volumes = {"first.nii.gz": study["T1"], "second.nii.gz": study["T2"]}

    with pytest.raises(KeyboardInterrupt):
        _outputs.write_all(volumes, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_folder_that_is_a_file_is_one_sentence(study, tmp_path):
    (tmp_path / "out").write_text("in the way")

    with pytest.raises(VolumeError, match="cannot be written to"):
        _outputs.write_all({"a.nii.gz": study["T1"]}, tmp_path / "out")
    with pytest.raises(VolumeError, match="choose another with -o"):
        _outputs.check_writable(tmp_path / "out" / "more")
    _outputs.check_writable(tmp_path / "new" / "folder")


@pytest.mark.parametrize(
    ("text", "slices"),
    [
        ("all", None),
        ("50", [50]),
        ("10,20", [10, 20]),
        ("40:43", [40, 41, 42]),
        (":3", [0, 1, 2]),
        ("0:5:2", [0, 2, 4]),
    ],
)
def test_slices_are_parsed(text, slices):
    parsed = parse_slices(text)

    assert (parsed if parsed is None else list(parsed)) == slices


def test_program_imports_neither_qt_nor_napari_nor_torch():
    code = (
        "import sys, napari_medsynth.cli.app; "
        "print([m for m in ('qtpy', 'PyQt6', 'PySide6', 'napari', 'vispy', 'torch', "
        "'SimpleITK', 'magicgui') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_synthesis_imports_neither_qt_nor_napari(tiny, scans, tmp_path):
    run = [str(w) for w in words(scans, tmp_path, "-t", "FLAIR", "--slices", "3")]
    code = (
        "import sys\n"
        "from napari_medsynth.cli import main\n"
        "try:\n"
        f"    main({run!r})\n"
        "except SystemExit as done:\n"
        "    assert not done.code, done.code\n"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('qtpy', 'PyQt6', 'PySide6', 'napari', 'vispy', 'magicgui')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
