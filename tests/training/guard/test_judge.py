from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from napari_medsynth.catalogue import ModelCard, import_pack, write_pack
from napari_medsynth.engine import predict
from napari_medsynth.engine.weights import forget_models
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study, Volume
from napari_medsynth.training import DataConfig
from napari_medsynth.training.data import slices
from napari_medsynth.training.data.cohort import find_subjects, split_subjects
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.guard import judge as guard
from napari_medsynth.training.guard.comparison import exhausted, telling_slices
from napari_medsynth.training.guard.judge import Contender, contender_of, judge

NAMES = ("T1", "T2", "PD")
CARD = ModelCard(
    id="copy",
    family="resvit",
    task="synthesis",
    title="Copy",
    factory="tests:Copy",
    inputs=NAMES,
    outputs=NAMES,
    is_unified=True,
    size_multiple=2,
)


class Copy(nn.Module):
    """Each output is the brightest source plus an error of its own."""

    def __init__(self, **errors):
        super().__init__()
        values = [errors.get(name, errors.get("all", 0.0)) for name in NAMES]
        self.errors = torch.tensor(values)[:, None, None]

    def forward(self, image):
        return image.amax(dim=1, keepdim=True) - self.errors


def contender(**errors):
    return Contender(CARD, Copy(**errors))


def head(seed, shape=(14, 26, 24)):
    """Everywhere clearly above the air, so that small errors are not clipped."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape, np.float32)
    image[2:-2, 4:-4, 3:-3] = rng.uniform(
        300, 900, [n - m for n, m in zip(shape, (4, 8, 6), strict=True)]
    )
    return image


@pytest.fixture
def scans(monkeypatch):
    """Path to volume: what there is to read."""
    known = {}

    def read(path):
        if path not in known:
            raise VolumeError(f"{path} does not exist.")
        return known[path]

    monkeypatch.setattr(slices, "read_volume", read)
    return known


@pytest.fixture
def write(scans):
    """``write("ann", ("T1", "T2"))``: a subject whose contrasts differ by unit only."""

    def make(name, contrasts=("T1", "T2"), *, seed=0, person="", **options):
        files = {c: f"{name}/{c}" for c in contrasts}
        for level, (contrast, path) in enumerate(files.items(), start=1):
            data = level * head(seed, **options)[np.newaxis]
            scans[path] = Volume(data, modality=contrast, name=contrast)
        return Subject(name, files, person=person)

    return make


@pytest.fixture
def three(write):
    return [write(name, seed=i) for i, name in enumerate(("ann", "bob", "cy"))]


@pytest.fixture
def sample():
    """Stands for the sample study: all contrasts, one image in other units."""
    volumes = {
        m: Volume(i * head(9)[np.newaxis], modality=m) for i, m in enumerate(NAMES, 1)
    }
    return Study(volumes, subject="sample")


def run(base, tuned, subjects, **options):
    steps, events = judge(base, tuned, subjects, **options), []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as finished:
            return events, finished.value


def test_numbers_are_those_of_the_known_errors(three, sample):

    _, verdict = run(contender(all=0.1), contender(all=0.02), three, sample=sample)

    # An error of 0.1 in [-1, 1] is 5 % of the range, which is 26.02 dB.
    row = verdict.rows[0]
    assert (row["subject"], row["available"], row["target"]) == ("ann", "T1", "T2")
    assert row["base_psnr"] == pytest.approx(26.02, abs=0.05)
    assert row["psnr"] == pytest.approx(40.0, abs=0.05)
    assert (row["base_mae"], row["mae"]) == pytest.approx((0.05, 0.01), abs=3e-4)
    assert row["ssim"] > row["base_ssim"]
    assert verdict.differences["psnr"].mean == pytest.approx(13.98, abs=0.1)
    assert verdict.differences["mae"].mean == pytest.approx(-0.04, abs=5e-4)
    assert (verdict.verdict, verdict.is_weak) == ("better", False)
    assert (verdict.n_subjects, len(verdict.rows)) == (3, 6)
    assert verdict.masks == ("T1", "T2")


def test_more_error_is_worse_and_the_same_model_is_neither(three, sample):

    _, worse = run(contender(all=0.02), contender(all=0.05), three, sample=sample)
    _, same = run(contender(all=0.02), contender(all=0.02), three, sample=sample)

    assert worse.verdict == "worse"
    assert same.verdict == "not distinguishable"
    assert same.differences["psnr"].mean == 0.0


def test_equal_images_stay_numbers(write, sample):
    _, verdict = run(contender(), contender(all=0.1), [write("ann")], sample=sample)

    assert max(row["base_psnr"] for row in verdict.rows) <= 100.0
    assert all(np.isfinite(row["base_psnr"]) for row in verdict.rows)


def test_one_subject_is_resampled_by_slices(write, sample):
    _, verdict = run(contender(all=0.1), contender(), [write("ann")], sample=sample)

    assert verdict.is_weak
    assert verdict.differences["psnr"].of == "slices"
    assert verdict.differences["psnr"].n == verdict.n_slices == 8  # of ten: 15 to 85 %
    assert "1 held-out subject" in verdict.sentence


def test_nobody_held_out_still_checks_the_own_task(sample):
    events, verdict = run(contender(), contender(all=0.3), [], sample=sample)

    assert (verdict.verdict, verdict.is_weak) == ("not distinguishable", True)
    assert verdict.has_forgotten
    assert len(verdict.forgetting_rows) == 3
    assert (events[0].done, events[-1].done, events[-1].total) == (0, 6, 6)


def test_what_only_the_sample_shows_is_forgotten(three, sample):
    base, tuned = contender(all=0.1), contender(T1=0.09, T2=0.09, PD=0.9)

    _, verdict = run(base, tuned, three, sample=sample)

    assert verdict.verdict == "better"
    assert verdict.has_forgotten
    assert verdict.warnings[0] in verdict.sentence


def test_only_what_was_trained_counts_but_all_may_be_forgotten(three, sample):
    _, verdict = run(contender(), contender(), three, targets=("T2",), sample=sample)

    assert {row["target"] for row in verdict.rows} == {"T2"}
    assert {row["target"] for row in verdict.forgetting_rows} == set(NAMES)


def test_sample_without_the_models_contrasts_checks_nothing(write):
    sample = Study({"CT": Volume(head(1)[np.newaxis], modality="CT")})

    _, verdict = run(contender(), contender(), [write("ann")], sample=sample)

    assert verdict.forgetting == {}
    assert not verdict.has_forgotten


def test_subject_that_cannot_be_measured_is_left_out_and_named(write, sample):
    lost = Subject("lost", {"T1": "gone", "T2": "gone"})
    people = [lost, write("lone", ("T1",)), write("ann")]

    events, verdict = run(contender(all=0.1), contender(), people, sample=sample)

    assert verdict.n_subjects == 1
    assert {row["subject"] for row in verdict.rows} == {"ann"}
    assert "lost was not measured: gone does not exist." in verdict.notes
    assert any(note.startswith("lone has no source") for note in verdict.notes)
    assert events[-1].done == events[-1].total == 2 * (2 + 2 + 3)


def test_slices_too_small_to_compare_are_told(write, sample):
    subject = write("ann", shape=(14, 26, 24))

    _, verdict = run(
        contender(), contender(), [subject], plane="coronal", sample=sample
    )
    assert verdict.n_subjects == 1

    flat = write("flat", shape=(9, 26, 24))
    _, verdict = run(contender(), contender(), [flat], plane="coronal", sample=sample)
    assert verdict.n_subjects == 0
    assert "9 x 24 pixels" in verdict.notes[0]


def test_sessions_of_one_person_are_one_subject(write, sample):
    people = [write(f"ann-{i}", seed=i, person="ann") for i in range(3)]

    _, verdict = run(contender(all=0.1), contender(), people, sample=sample)

    assert (verdict.n_subjects, verdict.is_weak) == (1, True)
    assert len({row["subject"] for row in verdict.rows}) == 3


def test_persons_survive_a_list_of_studies():
    studies = [
        {"subject": f"ann-{i}", "person": "ann", "T1": "a", "T2": "b"} for i in "12"
    ]
    bob = {"subject": "bob", "T1": "a", "T2": "b"}
    data = DataConfig(studies=(*studies, bob), held_out=("ann-1",))

    found = find_subjects(data, NAMES)
    train, held_out = split_subjects(found, data, seed=0)

    assert [s.name for s in held_out] == ["ann-1", "ann-2"]
    assert {s.person for s in held_out} == {"ann"}
    assert [dict(s.files) for s in train] == [{"T1": "a", "T2": "b"}]


def test_budget_leaves_masks_out_and_says_so(write, sample):
    subject = write("ann", NAMES)

    _, all_of_them = run(contender(), contender(), [subject], sample=sample)
    _, some = run(contender(), contender(), [subject], sample=sample, budget=1)

    assert len(all_of_them.masks) == 6
    assert all_of_them.notes == ()
    assert some.masks == ("T1+T2", "T1+PD", "T2+PD")
    assert some.notes == (
        "To save time, 3 of 6 combinations of sources were measured.",
    )


def test_leave_one_out_measures_nothing_else(write, sample):
    _, verdict = run(
        contender(),
        contender(),
        [write("ann", NAMES)],
        availability="leave-one-out",
        sample=sample,
    )

    assert verdict.masks == ("T1+T2", "T1+PD", "T2+PD")


def test_slices_are_spread_over_the_middle_of_the_subject():
    data = np.zeros((60, 20, 20), np.float32)
    data[20:50, 4:16, 4:16] = 1
    study = Study({"T1": Volume(data[np.newaxis], modality="T1")}, subject="ann")

    slices = telling_slices(study, "axial", 4)

    assert slices == [24, 31, 38, 45]
    assert len(telling_slices(study, "axial", 99)) == 22  # no slice twice


def test_scans_on_other_grids_are_brought_onto_the_first(write, scans):
    subject, whole = write("ann"), scans["ann/T2"]
    scans["ann/T2"] = Volume(whole.data[:, 2:], origin=(2.0, 0.0, 0.0), modality="T2")

    study = guard.read_subject(subject, CARD, align="header")

    assert study["T2"].shape == study["T1"].shape
    np.testing.assert_allclose(study["T2"].data[0, 2:], whole.data[0, 2:])


def test_scans_that_moved_are_registered_if_asked(write, scans):
    subject, fixed = write("ann", shape=(24, 30, 28)), scans["ann/T1"]
    smooth = gaussian_filter(fixed.data[0], 2)[np.newaxis]
    scans["ann/T1"] = fixed.with_data(smooth)
    scans["ann/T2"] = fixed.with_data(np.roll(smooth, 3, axis=2))

    errors = {}
    for align in ("header", "rigid"):
        study = guard.read_subject(subject, CARD, align=align)
        errors[align] = np.abs(study["T2"].data - smooth).mean()

    assert errors["rigid"] < 0.3 * errors["header"]


def test_files_and_a_real_network_are_compared(base, write_subject, sample):
    files = dict(write_subject("bob"))
    subject = Subject(files.pop("subject"), files)
    pair = [contender_of(base, device="cpu") for _ in range(2)]
    with torch.no_grad():
        next(p for p in reversed(list(pair[1].model.parameters()))).add_(0.3)

    events, verdict = run(*pair, [subject], sample=sample)

    assert events[-1].total == 2 * (6 + 2)  # of the sample: T2 from T1, T1 from T2
    assert verdict.n_subjects == 1
    assert verdict.differences["psnr"].mean != 0
    assert [row["target"] for row in verdict.rows[:3]] == ["FLAIR", "T2", "T1"]


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_contender_predicts_what_users_get(base, statistics, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    forget_models()
    card = replace(base.card, norm_statistics=statistics)
    pack = write_pack(base.path, card, base.weights())
    installed = import_pack(pack.path).card
    study = Study({"T1": Volume(head(3)[np.newaxis], modality="T1")}, subject="ann")
    options = {"targets": ("T2",), "slices": (5, 6), "device": "cpu"}

    wanted = exhausted(predict(study, installed, **options))
    loaded = contender_of(pack, device="cpu")
    found = exhausted(predict(study, loaded.card, model=loaded.model, **options))

    np.testing.assert_array_equal(found.volumes["T2"].data, wanted.volumes["T2"].data)
    forget_models()
