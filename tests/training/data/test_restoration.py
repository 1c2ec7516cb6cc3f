"""Pairs of a good image and a worse one made of it, from files and simulations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard, build_model
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.simulate import presented
from napari_medsynth.training import DataConfig, TrainConfig, TrainJob
from napari_medsynth.training.data.batches import Batches, Mixture
from napari_medsynth.training.data.cohort import subjects_for
from napari_medsynth.training.data.gather import gather, mixture_of
from napari_medsynth.training.data.report import report_subjects
from napari_medsynth.training.data.restoration import Degrader
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.guard.judge import read_subject
from napari_medsynth.training.validate import Validation, answer

FULL_RANGE = {"*": {"kind": "percentile", "low": 0.0, "high": 100.0}}
DOWN = {"kind": "downsample", "factor": [2, 2], "method": "area"}
CARD = ModelCard(
    id="tiny-x2",
    family="edsr",
    task="super-resolution",
    title="Tiny x2",
    factory="napari_medsynth.models.edsr:EDSR",
    options={"width": 4, "n_blocks": 1, "scale": 2},
    inputs=("low-resolution image",),
    outputs=("image",),
    intensity=FULL_RANGE,
    scale=2,
    size_multiple=4,
    degradation=DOWN,
)
CT_CARD = replace(
    CARD,
    id="tiny-ct",
    task="denoising",
    factory="napari_medsynth.models.redcnn:REDCNN",
    options={"width": 4},
    inputs=("low-dose CT",),
    outputs=("CT",),
    intensity={"*": {"kind": "window", "low": -1024, "high": 3072}},
    scale=1,
    size_multiple=1,
    degradation={"kind": "low-dose", "dose": [0.1, 0.5], "photons": 2e4},
)
CONFIG = TrainConfig(
    epochs=2,
    steps_per_epoch=6,
    batch_size=4,
    learning_rate=3e-3,
    warmup_steps=0,
    device="cpu",
    precision="fp32",
    n_threads=1,
    patch_size=16,
    ema=0.0,
)


@pytest.fixture
def files(tmp_path, rng):
    """Three scans of two persons and a picture."""
    for name in ("ann/T1.nii.gz", "ann/T2.nii.gz", "bob/anything.nii.gz"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        image = np.zeros((4, 45, 37), np.float32)
        image[:, 5:40, 4:33] = 500 + 300 * rng.random((4, 35, 29))
        sitk.WriteImage(sitk.GetImageFromArray(image), str(path))
    picture = (255 * rng.random((50, 40))).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(picture), str(tmp_path / "cleo.png"))
    return tmp_path


def job_of(folder, card=CARD, **data) -> TrainJob:
    config = DataConfig(folder=str(folder) if folder else "", **data)
    return TrainJob(id="t", title="T", base="x", data=config, learn=CONFIG)


def test_every_image_of_a_folder_is_a_subject_and_a_person_keeps_together(files):
    found = subjects_for(DataConfig(folder=str(files)), CARD)

    assert [s.name for s in found] == [
        "ann_T1.nii.gz",
        "ann_T2.nii.gz",
        "bob_anything.nii.gz",
        "cleo.png",
    ]
    assert [s.person for s in found] == ["ann", "ann", "bob", "cleo.png"]
    assert all(list(s.files) == ["image"] for s in found)


def test_a_named_contrast_is_found_by_its_name(files):
    card = replace(CARD, inputs=("low-resolution T2",), outputs=("T2",))
    found = subjects_for(DataConfig(folder=str(files)), card)
    assert [s.name for s in found] == ["ann_T2.nii.gz"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(VolumeError, match="No image was found"):
        subjects_for(DataConfig(folder=str(tmp_path)), CARD)


def test_the_report_takes_single_slices_and_asks_for_no_worse_image(files):
    subjects = subjects_for(DataConfig(folder=str(files)), CARD)
    reports = list(report_subjects(subjects, CARD, align="header"))
    assert [r.role for r in reports] == ["train"] * 4
    assert [r.problems for r in reports] == [()] * 4


def test_a_pair_is_the_good_image_and_its_blocks_repeated(rng):
    clean = (2 * rng.random((12, 10)) - 1).astype(np.float32)
    sample = Degrader(CARD, replace(CONFIG, patch_size=0)).pair(clean, rng)
    blocks = clean.reshape(6, 2, 5, 2).mean(axis=(1, 3))
    expected = blocks.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(sample.images[0], expected, atol=1e-6)
    np.testing.assert_array_equal(sample.images[1], clean)
    np.testing.assert_array_equal(sample.truth[1], clean)
    assert sample.present.all()


def test_odd_sides_are_trimmed_to_whole_coarse_pixels(rng):
    clean = np.zeros((13, 11), np.float32)
    sample = Degrader(CARD, replace(CONFIG, patch_size=0)).pair(clean, rng)
    assert sample.images.shape == (2, 12, 10)


def test_networks_of_scale_1_see_a_smooth_enlargement(rng):
    card = replace(CARD, scale=1, degradation={**DOWN, "factor": [2, 1]})
    clean = (2 * rng.random((12, 10)) - 1).astype(np.float32)
    sample = Degrader(card, replace(CONFIG, patch_size=0)).pair(clean, rng)
    coarse = clean.reshape(6, 2, 10).mean(axis=1)
    expected = presented((coarse + 1) / 2, card.degradation, scale=1) * 2 - 1
    np.testing.assert_allclose(sample.images[0], np.clip(expected, -1, 1), atol=1e-5)


def test_low_dose_pairs_keep_the_mean_hu_and_repeat_a_few_draws(rng):
    y, x = np.mgrid[-1:1:48j, -1:1:48j]
    hu = np.where(x**2 + y**2 < 0.6, 40.0, -1000.0)
    clean = ((hu + 1024) / 2048 - 1).astype(np.float32)
    degrader = Degrader(CT_CARD, CONFIG)
    drawn = [degrader.pair(clean, rng, key="a").images[0] for _ in range(12)]
    distinct = {image.tobytes() for image in drawn}
    assert 1 < len(distinct) <= 4
    inside = x**2 + y**2 < 0.4
    noise = 2048 * (np.stack(drawn) - clean)[:, inside]
    assert abs(noise.mean()) < 3 * noise.std() / np.sqrt(inside.sum())
    assert noise.std() > 1


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_batches_of_patches_keep_blocks_whole(files, plane):
    job = job_of(files, planes=(plane,))
    card = replace(CARD, planes=(plane,))
    if plane == "coronal":
        job = replace(job, learn=replace(CONFIG, patch_size=0))
    train_on, _, _ = gather(replace(job, base="x"), card)
    batches = Batches(job.learn, card, Mixture(train_on, (plane,)), batch_size=3)
    batch = batches[0]
    sources = batch.sources[:, 0].numpy()
    rows, columns = sources.shape[1:]
    blocks = sources.reshape(-1, rows // 2, 2, columns // 2, 2)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    assert batch.wanted.all() and not batch.given.any()
    again = batches[0]
    assert (again.sources == batch.sources).all()


def test_simulated_heads_are_degraded(brick):
    job = job_of("", simulated_share=1.0, n_anatomies=1)
    mixture = mixture_of(job, CARD, ())
    batch = Batches(job.learn, CARD, mixture, batch_size=3)[0]
    assert batch.sources.shape == batch.truth.shape
    assert (batch.sources != batch.truth).any()


def test_ct_cannot_be_simulated(brick):
    job = job_of("", simulated_share=1.0, n_anatomies=1)
    with pytest.raises(CardError, match="CT cannot be simulated"):
        mixture_of(job, CT_CARD, ())


def test_questions_show_blocks_whole_and_crop_what_was_asked(files):
    job = job_of(files)
    train_on, _, _ = gather(job, CARD)
    validation = Validation(CARD, train_on[:1])
    model = build_model(CARD).eval()
    question = validation.first
    made, truth = answer(model, question, next(model.parameters()).device)
    assert made.shape == truth.shape == question.shape == (44, 36)
    good = train_on[0].draw("axial", int(train_on[0].indices("axial")[0]), None)
    assert good.truth.shape == (2, 44, 36)


def test_what_is_cropped_is_the_slice_that_was_padded_by_whole_blocks(files):
    card = replace(CARD, size_multiple=10)  # 44 to 50: 3 on each side, moved to 2 and 4
    train_on, _, _ = gather(job_of(files), card)
    subject = train_on[0]
    device = torch.device("cpu")
    _, truth = answer(nn.Identity(), Validation(card, [subject]).first, device)
    slices = [
        (subject.draw("axial", int(i), None).truth[1] + 1) / 2
        for i in subject.indices("axial")
    ]
    gaps = [np.abs(truth - one).max() for one in slices]
    assert min(gaps) < 1e-6


def test_the_judge_reads_both_images_on_one_grid(files):
    subject = Subject("bob", {"image": str(files / "bob" / "anything.nii.gz")})
    study = read_subject(subject, CARD, align="header")
    worse, good = study["low-resolution image"], study["image"]
    assert worse.shape == good.shape == (4, 44, 36)
    np.testing.assert_allclose(worse.spacing, good.spacing)
    np.testing.assert_allclose(worse.origin, good.origin)
    assert (worse.data[..., ::2, ::2] == worse.data[..., 1::2, 1::2]).all()
