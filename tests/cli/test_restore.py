import json

import numpy as np
import pytest

from napari_medsynth.catalogue import ModelCard, build_model, write_pack
from napari_medsynth.io import Volume, read_volume, write_volume

FULL_RANGE = {"*": {"kind": "percentile", "low": 0.0, "high": 100.0}}
EDSR = "napari_medsynth.models.edsr:EDSR"
X2 = {
    "id": "tiny-x2",
    "family": "edsr",
    "task": "super-resolution",
    "title": "Tiny x2",
    "factory": EDSR,
    "options": {"width": 4, "n_blocks": 1, "scale": 2},
    "inputs": ("low-resolution image",),
    "outputs": ("image",),
    "intensity": FULL_RANGE,
    "scale": 2,
    "size_multiple": 2,
    "tile": 32,
    "overlap": 12,
    "degradation": {"kind": "downsample", "factor": [2, 2], "method": "area"},
}
THIN = X2 | {
    "id": "tiny-thin",
    "title": "Tiny thin",
    "options": {"width": 4, "n_blocks": 1, "scale": 1},
    "scale": 1,
    "planes": ("coronal", "sagittal"),
    "degradation": {"kind": "thick-slices", "factor": [2, 1], "profile": "box"},
}
# A norm with fresh statistics hands its input on: nothing changes but by rounding.
CT = X2 | {
    "id": "tiny-ct",
    "title": "Tiny CT",
    "task": "denoising",
    "factory": "napari_medsynth.models.blocks.norm:SliceNorm2d",
    "options": {"num_features": 1, "eps": 1e-9},
    "inputs": ("low-dose CT",),
    "outputs": ("CT",),
    "intensity": {"*": {"kind": "window", "low": -1024, "high": 3072}},
    "value_range": (0.0, 1.0),
    "scale": 1,
    "degradation": {"kind": "low-dose", "dose": 0.25, "photons": 1e5, "electronic": 10},
}


@pytest.fixture
def pack(home):
    """``pack(X2)`` puts a fresh network into the user's folder."""
    import torch

    def write(values):
        card = ModelCard(**values)
        torch.manual_seed(0)
        weights = {k: v.numpy() for k, v in build_model(card).state_dict().items()}
        return write_pack(home / "models" / f"{card.id}.safetensors", card, weights)

    return write


@pytest.fixture
def t1(tmp_path, volume):
    write_volume(volume, tmp_path / "T1.nii.gz")
    return tmp_path / "T1.nii.gz"


@pytest.fixture
def ct(tmp_path, rng):
    """A cylinder of water in air, 8 slices of 48 x 44, in HU."""
    grid = np.mgrid[:48, :44] - np.array([24, 22])[:, None, None]
    water = np.where(np.hypot(*grid) < 18, 0, -1000)
    data = np.broadcast_to(water, (1, 8, 48, 44)).astype(np.float32)
    volume = Volume(data, (2.5, 0.7, 0.7), modality="CT", name="CT")
    write_volume(volume, tmp_path / "CT.nii.gz")
    return tmp_path / "CT.nii.gz"


def test_a_degraded_image_is_made_finer_again(medsynth, pack, t1, tmp_path):
    pack(X2)
    low, out = tmp_path / "low.nii.gz", tmp_path / "out"
    done = medsynth("degrade", t1, "-o", low, "--kind", "downsample", "--noise", 0.01)
    assert done.code == 0, done.err
    assert done.out.strip() == str(low)
    coarse, real = read_volume(low), read_volume(t1)
    assert coarse.shape == (6, 20, 18)
    assert coarse.is_synthetic
    assert coarse.metadata["provenance"]["degradation"]["method"] == "area"

    done = medsynth(
        *("super-resolve", low, "--model", "tiny-x2", "-o", out, "--truth", t1)
    )
    assert done.code == 0, done.err
    path = out / "low_super-resolved-tiny-x2.nii.gz"
    assert done.out.splitlines()[0] == str(path)
    for word in ("PSNR [dB]", "SSIM", "cubic interpolation", "Tiny x2", "foreground"):
        assert word in done.out
    made = read_volume(path)
    assert made.shape == real.shape
    assert made.spacing == pytest.approx(real.spacing)
    assert made.origin == pytest.approx(real.origin)
    provenance = made.metadata["provenance"]
    assert provenance["task"] == "super-resolution"
    assert provenance["synthetic_sources"] == ["low-resolution image"]
    assert provenance["tile"] == 32  # slices of 40 x 36 are larger


def test_the_numbers_compare_with_interpolation(medsynth, pack, t1, tmp_path):
    pack(X2)
    low = tmp_path / "low.nii.gz"
    medsynth("degrade", t1, "-o", low, "-k", "downsample")
    report = medsynth(
        "super-resolve", low, "-m", "tiny-x2", "-o", tmp_path, "--truth", t1, "--json"
    ).json
    psnr = {
        row["model"]: row["values"]["psnr"]
        for row in report["measured"]
        if row["region"] == "whole image"
    }

    assert list(psnr) == ["cubic interpolation", "Tiny x2"]
    assert psnr["cubic interpolation"] > psnr["Tiny x2"]  # it has learned nothing
    assert psnr["cubic interpolation"] > 15
    assert report["factor"] == [1, 2, 2]
    assert report["shape"] == [6, 40, 36]
    assert report["declaration"]["kind"] == "as is"


def test_thick_slices_by_a_factor(medsynth, pack, t1, tmp_path):
    pack(THIN)
    out = tmp_path / "thin.nii.gz"
    report = medsynth(
        *("super-resolve", t1, "-m", "tiny-thin", "-o", out, "--factor", 3, "--json")
    ).json

    assert report["paths"] == [str(out)]
    assert report["planes"] == ["coronal", "sagittal"]
    assert read_volume(out).spacing == pytest.approx((1, 1, 1.2), rel=1e-5)
    assert "measured" not in report


def test_a_denoised_ct_keeps_its_units_and_shows_what_was_taken(
    medsynth, pack, ct, tmp_path
):
    pack(CT)
    low, out = tmp_path / "quarter.nii.gz", tmp_path / "out"
    done = medsynth("degrade", ct, "-o", low, "-k", "low-dose", "--dose", 0.25)
    assert done.code == 0, done.err
    done = medsynth(
        *("denoise", low, "-m", "tiny-ct", "-o", out, "--noise"),
        *("--truth", ct, "--window", "-160:240"),
    )
    assert done.code == 0, done.err

    names = [f"quarter_denoised-tiny-ct{end}.nii.gz" for end in ("", "_residual")]
    names.append("quarter_denoised-tiny-ct_noise.nii.gz")
    assert done.out.splitlines()[:3] == [str(out / name) for name in names]
    noisy = read_volume(low).data
    made, residual, noise = (read_volume(out / name) for name in names)
    np.testing.assert_allclose(made.data, noisy, atol=0.01)
    np.testing.assert_allclose(residual.data, noisy - made.data, atol=1e-3)
    assert (noise.data >= 0).all()
    assert all(volume.is_synthetic for volume in (made, residual, noise))
    assert "the window -160 to 240" in done.out
    assert "input" in done.out


@pytest.mark.parametrize(
    ("options", "shape", "kept"),
    [
        (("-k", "downsample", "--factor", 3), (6, 13, 12), {"factor": [3, 3]}),
        (
            ("-k", "downsample", "--method", "kspace", "--plane", "coronal"),
            (3, 40, 18),
            {"method": "kspace", "plane": "coronal"},
        ),
        (
            ("-k", "thick-slices", "--profile", "box"),
            (3, 40, 36),
            {"profile": "box", "factor": [2, 1]},
        ),
        (("-k", "rician", "--sigma", 0.1), (6, 40, 36), {"sigma": 0.1}),
    ],
)
def test_images_are_made_worse(medsynth, t1, tmp_path, options, shape, kept):
    done = medsynth("degrade", t1, "-o", tmp_path / "worse", *options, "--seed", 3)

    assert done.code == 0, done.err
    path = tmp_path / "worse" / f"T1_{options[1]}.nii.gz"
    made = read_volume(path)
    assert made.shape == shape
    provenance = json.loads(path.with_name(f"T1_{options[1]}.json").read_text())[
        "Provenance"
    ]
    assert provenance["seed"] == 3
    for key, value in kept.items():
        assert provenance["degradation"][key] == value


def test_the_same_seed_gives_the_same_noise(medsynth, t1, tmp_path):
    paths = [tmp_path / f"{i}.nii.gz" for i in range(3)]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        medsynth("degrade", t1, "-o", path, "-k", "rician", "--seed", seed)
    first, again, other = (read_volume(path).data for path in paths)

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("denoise", "-m", "tiny-x2"), 1, "use medsynth super-resolve"),
        (("super-resolve", "-m", "tiny-ct"), 1, "use medsynth denoise"),
        (("super-resolve", "-m", "nowhere"), 1, "nowhere"),
        (("super-resolve", "-m", "tiny-x2", "--factor", 3), 1, "2 times"),
        (("denoise", "-m", "tiny-ct", "--plane", "oblique"), 2, "oblique"),
        (("super-resolve", "-m", "tiny-x2", "--window", "dark"), 2, "dark"),
        (("degrade", "-k", "rician", "--dose", 0.5), 2, "does not belong to rician"),
        (("degrade", "-k", "low-dose"), 1, "choose rician"),
        (("degrade", "-k", "rician", "--sigma", -1), 1, "must be a number"),
    ],
)
def test_what_cannot_be_done_is_said(
    medsynth, pack, t1, tmp_path, words, code, sentence
):
    pack(X2)
    pack(CT)
    out = tmp_path / "out"
    command, *options = words
    done = medsynth(command, t1, "-o", out, *options)

    assert done.code == code
    assert sentence in done.err
    assert not out.exists()


@pytest.mark.parametrize("name", ["fine.png", "fine.dcm", "fine.JPG"])
def test_formats_that_are_only_read_are_not_made_folders(medsynth, t1, tmp_path, name):
    done = medsynth("degrade", t1, "-k", "downsample", "-o", tmp_path / name)

    assert done.code == 1
    assert f"{name} cannot be written: give a folder" in done.err
    assert not (tmp_path / name).exists()


def test_an_earlier_result_is_not_replaced_unasked(medsynth, pack, t1, tmp_path):
    pack(X2)
    call = ("super-resolve", t1, "-m", "tiny-x2", "-o", tmp_path / "fine.nii.gz")

    assert medsynth(*call).code == 0
    refused = medsynth(*call)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert medsynth(*call, "--overwrite").code == 0


def test_synthesis_does_not_run_what_restores(medsynth, pack, t1, tmp_path):
    pack(X2)
    named = f"{X2['inputs'][0]}={t1}"
    done = medsynth("synthesize", "-i", named, "-m", "tiny-x2", "-o", tmp_path / "out")

    assert done.code == 1
    assert "use medsynth super-resolve" in done.err
    assert not (tmp_path / "out").exists()


def test_translation_gives_hu_in_the_declared_range(medsynth, pack, t1, tmp_path):
    card = CT | {
        "id": "mr-ct",
        "title": "MR to CT",
        "task": "synthesis",
        "inputs": ("MR",),  # any contrast: the caller says which file it is
        "intensity": {
            "*": {"kind": "percentile"},
            "CT": {"kind": "window", "low": -1024, "high": 3071},
        },
        "value_range": (-0.5, 0.5),
        "factory": EDSR,
        "options": {"width": 4, "n_blocks": 1, "scale": 1},
        "degradation": {},
    }
    made = pack(card)
    weights = {k: np.array(v) for k, v in made.weights().items()}
    last = [k for k in weights if k.endswith("bias")][-1]
    weights[last][:] = 30  # far above what stands for 3071 HU
    write_pack(made.path, made.card, weights)
    out = tmp_path / "out"
    done = medsynth(
        "synthesize", "-i", f"mr={t1}", "-t", "CT", "-m", "mr-ct", "-o", out
    )

    assert done.code == 0, done.err
    ct = read_volume(out / "CT_synthetic-mr-ct.nii.gz")
    assert ct.modality == "CT"
    assert ct.data.max() == 3071
    assert set(np.unique(ct.data)) <= {-1024, 3071}


def test_the_bar_moves_with_the_tiles_of_one_image(monkeypatch):
    from rich.progress import Progress as Bar

    from napari_medsynth.cli._progress import follow
    from napari_medsynth.engine import Progress, Result

    seen = []

    def update(self, task, **values):
        seen.append(values["completed"])

    def steps():
        yield Progress(0, 1)
        yield Progress(0, 1, tiles=(1, 4))
        yield Progress(0, 1, tiles=(3, 4))
        yield Progress(1, 1)
        return Result({})

    monkeypatch.setattr(Bar, "update", update)
    _, n_slices = follow(steps(), "super-resolved")
    assert seen == [0, 0.25, 0.75, 1]
    assert n_slices == 1
