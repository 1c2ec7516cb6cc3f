"""medsynth explain: maps, pictures and facts in a folder."""

import json

import numpy as np
import pytest

from napari_medsynth.io import read_volume


def explain(medsynth, scans, tmp_path, *words):
    words = (scans, "-t", "FLAIR", "-m", "tiny", "-o", tmp_path / "out", *words)
    return medsynth("explain", *words)


def test_a_map_a_picture_and_facts(medsynth, tiny, scans, tmp_path, study):
    done = explain(medsynth, scans, tmp_path, "--query", "20,12", "--slice", "3")
    assert done.code == 0, done.err
    stem = "map_rollout-all-blocks_tiny"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{stem}.nii.gz", f"{stem}.png", f"{stem}.json"}
    assert f"{stem}.nii.gz" in done.out
    assert tiny.card.sha256 in done.out and "rollout all blocks" in done.out
    facts = json.loads((tmp_path / "out" / f"{stem}.json").read_text())
    assert facts["pixel"] == [20, 12] and facts["slice"] == 3
    assert facts["sha256"] == tiny.card.sha256
    assert facts["question"] == "where it looked to paint the place"
    volume = read_volume(tmp_path / "out" / f"{stem}.nii.gz")
    assert volume.shape == (1, 3, 3)  # 48 x 48 with the padding, 16 pixels a token
    assert volume.data.sum() == pytest.approx(1, rel=1e-4)
    # over the anatomy: 3 slices of 3 mm above its origin
    assert volume.origin[0] == pytest.approx(study["T1"].origin[0] + 9, abs=1e-4)


def test_a_place_in_millimetres_is_the_same_place(medsynth, tiny, scans, tmp_path):
    # origin (-10, 5, 7), spacing (3, 1, 1.2): slice 3, row 20, column 10
    world = explain(medsynth, scans, tmp_path, "--query", "-1,25,19", "--json").json
    words = ("--query", "20,10", "--slice", "3", "--json", "--overwrite")
    pixels = explain(medsynth, scans, tmp_path, *words).json
    assert world == pixels
    assert world["slice"] == 3 and world["pixel"] == [20, 10]


def test_the_widest_slice_is_the_default(medsynth, tiny, scans, tmp_path, study):
    found = explain(medsynth, scans, tmp_path, "--json").json
    n_shown = np.count_nonzero(study["T1"].data[0] > 0, axis=(1, 2))
    assert n_shown[found["slice"]] == n_shown.max()
    assert found["question"] == "where it looked to paint the slice"


def test_what_used_the_place(medsynth, tiny, scans, tmp_path):
    words = ("--query", "20,12", "--reverse", "--method", "occlusion", "--json")
    done = explain(medsynth, scans, tmp_path, *words)
    assert done.json["question"] == "what used the place"
    volume = read_volume(tmp_path / "out" / "map_occlusion_reverse_tiny.nii.gz")
    assert volume.shape == (1, 40, 36)


def test_all_slices_are_one_volume(medsynth, tiny, scans, tmp_path, study):
    words = ("--all-slices", "--method", "head", "--block", "art_1", "--head", "2")
    done = explain(medsynth, scans, tmp_path, *words)
    assert done.code == 0, done.err
    name = "map_head-art_1-layer-1-head-2_tiny.nii.gz"
    volume = read_volume(tmp_path / "out" / name)
    n_shown = np.count_nonzero(study["T1"].data[0] > 0, axis=(1, 2))
    assert volume.shape[0] == np.ptp(np.flatnonzero(n_shown)) + 1


def test_honesty_is_told_and_kept(medsynth, tiny, tmp_path, home):
    from napari_medsynth.io import write_volume
    from napari_medsynth.io.volume import Volume

    data = np.random.default_rng(0).uniform(100, 900, (1, 1, 80, 80))
    folder = tmp_path / "big"
    for name in ("T1w", "T2w"):
        volume = Volume(data.astype(np.float32), name=name)
        write_volume(volume, folder / f"sub-01_{name}.nii.gz")
    done = explain(medsynth, folder, tmp_path, "--honesty", "--json")
    assert done.code == 0, done.err
    found = done.json["honesty"]
    assert len(found["most"]) == 4
    assert found["passed"] is (found["reason"] == "")
    if not found["passed"]:
        assert found["reason"] in done.err


def test_nothing_is_overwritten_by_accident(medsynth, tiny, scans, tmp_path):
    explain(medsynth, scans, tmp_path)
    done = explain(medsynth, scans, tmp_path)
    assert done.code == 1 and "--overwrite" in done.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--method", "saliency"), 2, "--method is one of rollout"),
        (("--query", "1"), 2, "--query is ROW,COL"),
        (("--query", "1,b"), 2, "--query is ROW,COL"),
        (("--query", "1,2", "--all-slices"), 2, "leave --query out"),
        (("--query", "-1,25,19", "--slice", "1"), 2, "on slice 3, not on 1"),
        (("--query", "100,2"), 1, "outside the image"),
        (("--query", "500,2,2"), 1, "numbered 0 to 5"),
        (("--slice", "6"), 1, "numbered 0 to 5"),
        (("--method", "occlusion", "--reverse"), 1, "give a query"),
        (("--method", "relevance", "--reverse"), 1, "cannot tell what used a place"),
        (("--block", "art_9"), 1, "attention in art_1, not in 'art_9'"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words, code, message, medsynth, tiny, scans, tmp_path
):
    done = explain(medsynth, scans, tmp_path, *words)
    assert done.code == code
    assert message in " ".join(done.err.replace("│", " ").split())
    assert not list((tmp_path / "out").glob("*"))
