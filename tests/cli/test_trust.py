"""``medsynth trust``, from the words typed to the files and numbers."""

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.catalogue import write_pack
from napari_medsynth.io import read_study, read_volume, write_volume
from napari_medsynth.trust.site import Row, SelfTest, load_self_test, save_self_test

GRID = ("--slices", "2:4")


@pytest.fixture
def cohort(tmp_path, study):
    """Two subjects with T1 and T2."""
    for number in (1, 2):
        for modality in ("T1", "T2"):
            volume = study[modality]
            data = volume.data * np.float32(number)
            path = tmp_path / "cohort" / f"sub-{number}" / f"{modality}.nii.gz"
            write_volume(volume.with_data(data), path)
    return tmp_path / "cohort"


def test_contribution_names_the_share_of_each_scan(medsynth, tiny, scans):
    done = medsynth(
        "trust", "contribution", "-i", scans, "-t", "FLAIR", "-m", "tiny", "--json",
        *GRID,
    )  # fmt: skip

    assert done.code == 0, done.err
    assert set(done.json["shares"]["FLAIR"]) == {"T1", "T2", "PD"}
    assert sum(done.json["shares"]["FLAIR"].values()) == pytest.approx(1)
    assert done.json["runs"] == 2 * 8
    assert done.json["advice"] == {"FLAIR": []}
    assert done.json["paths"] == []


def test_contribution_is_a_table_and_maps_that_are_no_scans(
    medsynth, tiny, scans, tmp_path
):
    out = tmp_path / "maps"
    words = ("trust", "contribution", "-i", scans, "-t", "FLAIR", "-m", "tiny", *GRID)

    done = medsynth(*words, "-o", out)

    assert done.code == 0, done.err
    assert "changes without it" in done.out
    names = {path.name for path in out.glob("*.nii.gz")}
    assert "contribution_T1-in-FLAIR_tiny.nii.gz" in names
    assert len(names) == 6
    volume = read_volume(out / "change_PD-in-FLAIR_tiny.nii.gz")
    assert volume.is_synthetic
    assert volume.shape == (2, 40, 36)
    again = medsynth(*words, "-o", out)
    assert (again.code, "--overwrite" in again.err) == (1, True)
    assert medsynth(*words, "-o", out, "--overwrite").code == 0


def test_contribution_says_which_scan_would_help(
    medsynth, home, tiny_card, tiny_weights, scans
):
    rows = (
        {"data": "real (held out)", "available": "T1", "target": "FLAIR"}
        | {"psnr": 20.0, "ssim": 0.5},
        {"data": "real (held out)", "available": "T1+T2", "target": "FLAIR"}
        | {"psnr": 21.5, "ssim": 0.7},
    )
    card = replace(tiny_card, quality=rows)
    write_pack(home / "models" / "tiny.safetensors", card, tiny_weights)

    done = medsynth(
        "trust", "contribution", "-i", f"T1={scans / 'sub-01_T1w.nii.gz'}",
        "-t", "FLAIR", "-m", "tiny", "--slices", "2",
    )  # fmt: skip

    assert done.code == 0, done.err
    assert "With T2 too: FLAIR +1.5 dB, SSIM +0.200." in done.out
    assert "real (held out)" in done.out


def test_self_test_is_kept_without_names(medsynth, tiny, cohort, home):
    done = medsynth("trust", "self-test", cohort, "-m", "tiny", "--slices", "2")

    assert done.code == 0, done.err
    kept = load_self_test(tiny.card)
    assert kept.n_subjects == 2
    assert {(row.sources, row.target) for row in kept.rows} == {
        (("T1",), "T2"),
        (("T2",), "T1"),
    }
    (path,) = (home / "site").glob("*.json")
    assert "sub-" not in path.read_text()
    assert "PSNR [dB]" in done.out  # no markup of the terminal


def test_self_test_can_leave_no_trace(medsynth, tiny, cohort, home):
    done = medsynth(
        "trust", "self-test", cohort, "-m", "tiny", "--slices", "1", "--no-save",
        "--json", "--every-mask",
    )  # fmt: skip

    assert done.code == 0, done.err
    assert len(done.json["rows"]) == 4
    assert not (home / "site").exists()


def test_self_test_of_an_empty_folder_says_what_is_needed(medsynth, tiny, tmp_path):
    empty = tmp_path / "nothing"
    empty.mkdir()

    done = medsynth("trust", "self-test", empty, "-m", "tiny")

    assert done.code == 1
    assert "one folder per subject" in done.err


def test_consistency_compares_the_scans_made_back(medsynth, tiny, scans, tmp_path):
    out = tmp_path / "out"
    words = ("-i", scans, "-m", "tiny", *GRID)
    medsynth("synthesize", *words, "-t", "FLAIR", "-o", out)
    made = out / "FLAIR_synthetic-tiny.nii.gz"

    done = medsynth("trust", "consistency", *words, "-s", made, "-o", out, "--json")

    assert done.code == 0, done.err
    assert [row["source"] for row in done.json["rows"]] == ["T1", "T2", "PD"]
    assert all(row["usual"] is None for row in done.json["rows"])
    assert len(done.json["paths"]) == 3
    table = medsynth("trust", "consistency", *words, "-s", made)
    assert "back from FLAIR" in table.out
    assert "Usual" not in table.out  # nobody has measured this model
    row = Row("a", ("FLAIR",), "T1", 21.25, 0.8, 0.05)
    test = SelfTest("tiny", tiny.card.sha256, "2026-11-20", (row,))
    save_self_test(tiny.card, test)
    table = medsynth("trust", "consistency", *words, "-s", made)
    assert "21.25" in table.out
    assert "Usual for T1: made of a real FLAIR. Measured here on 1" in table.out


def test_maps_beside_scans_are_not_read_as_scans(medsynth, tiny, scans):
    words = ("trust", "contribution", "-i", scans, "-t", "FLAIR", "-m", "tiny", *GRID)

    medsynth(*words, "-o", scans)
    done = medsynth(*words, "--json")

    assert done.code == 0, done.err
    assert set(done.json["shares"]["FLAIR"]) == {"T1", "T2", "PD"}
    assert not any(v.is_synthetic for v in read_study(scans).volumes.values())
