import csv

import numpy as np
import pytest

from napari_medsynth.io import write_volume


@pytest.fixture
def files(tmp_path, study):
    """Real FLAIR, two syntheses of it and a mask with labels 1 and 2, as files."""
    truth = study["FLAIR"]
    noise = np.random.default_rng(1).normal(0, 20, truth.data.shape)
    for name, share in {"good": 0.5, "bad": 1.5}.items():
        made = truth.with_data(
            (truth.data + share * noise).astype(np.float32),
            metadata={"synthetic": True, "provenance": {"model": "tiny"}},
        )
        write_volume(made, tmp_path / f"{name}.nii.gz")
    labels = np.zeros_like(truth.data)
    labels[0, 2, 5:20, 5:20], labels[0, 3, 5:20, 5:20] = 1, 2
    write_volume(truth, tmp_path / "FLAIR.nii.gz")
    write_volume(truth.with_data(labels, modality=""), tmp_path / "lesion_mask.nii.gz")
    return tmp_path


def words(files, *more, made=("good", "bad")):
    names = [files / f"{name}.nii.gz" for name in made]
    return ["evaluate", *names, "--truth", files / "FLAIR.nii.gz", *more]


def test_a_table_per_region_and_model_with_the_declaration(medsynth, files):
    done = medsynth(*words(files, "--labels", files / "lesion_mask.nii.gz"))

    assert done.code == 0, done.err
    for part in ("whole image", "foreground", "lesion_mask 1", "lesion_mask 2"):
        assert part in done.out
    for part in ("PSNR [dB]", "MS-SSIM", "good", "bad", "data range 1", "numpy"):
        assert part in done.out
    assert "MS-SSIM needs slices of 44 pixels" in done.err


def test_json_numbers_prefer_the_better_one(medsynth, files):
    found = medsynth(
        *words(files, "--labels", files / "lesion_mask.nii.gz", "--json")
    ).json
    psnr = {
        (row["model"], row["region"]): row["values"]["psnr"] for row in found["rows"]
    }

    assert len(psnr) == 8
    for region in ("whole image", "foreground", "lesion_mask 1", "lesion_mask 2"):
        assert psnr["good", region] > psnr["bad", region] + 5
    assert found["declaration"]["kind"] == "percentile"


@pytest.mark.parametrize(
    ("window", "kind", "low", "high"),
    [
        ("brain", "window", 0, 80),
        ("-150:250.5", "window", -150, 250.5),
        ("as-is", "as is", None, None),
    ],
)
def test_windows(medsynth, files, window, kind, low, high):
    found = medsynth(*words(files, "--window", window, "--json")).json["declaration"]

    assert found["kind"] == kind
    if low is not None:
        assert (found["low"], found["high"]) == (low, high)


def test_csv_and_report(medsynth, files):
    out = files / "out"
    done = medsynth(
        *words(
            files,
            *("--labels", files / "lesion_mask.nii.gz"),
            *("--source", files / "FLAIR.nii.gz"),
            *("--csv", out / "t.csv", "--html", out / "r.html"),
        )
    )

    assert done.code == 0, done.err
    assert len(list(csv.DictReader((out / "t.csv").open()))) == 8
    page = (out / "r.html").read_text(encoding="utf-8")
    assert "Synthetic FLAIR against the real one" in page
    assert page.count("data:image/png") == 2
    assert str(files) not in page  # folders may tell who the patient is


def test_equal_images_are_null_in_json(medsynth, files):
    done = medsynth(*words(files, "--json", made=("FLAIR",)))

    assert done.json["rows"][0]["values"]["psnr"] is None
    assert "not marked as synthetic" in done.err


def test_files_of_one_name_are_told_apart_by_their_folder(medsynth, files):
    (files / "other").mkdir()
    for suffix in (".nii.gz", ".json"):
        (files / "other" / f"good{suffix}").write_bytes(
            (files / f"good{suffix}").read_bytes()
        )
    found = medsynth(*words(files, "--json", made=("good", "other/good"))).json

    assert {row["model"] for row in found["rows"]} == {"good", "other/good"}


def test_what_cannot_be_done_is_one_sentence(medsynth, files):
    cases = {
        ("--window", "wide"): (2, "such as -150:250"),
        ("--window", "80:0"): (1, "two rising numbers"),
        ("--labels", files / "good.nii.gz"): (1, "whole numbers"),
        ("--labels", files / "none.nii.gz"): (1, "does not exist"),
    }
    for more, (code, sentence) in cases.items():
        done = medsynth(*words(files, *more))
        assert done.code == code
        assert sentence in done.err.replace("\n", " ")
        assert "Traceback" not in done.err
    twice = medsynth(*words(files, made=("good", "good", "good")))
    assert "given twice" in twice.err
