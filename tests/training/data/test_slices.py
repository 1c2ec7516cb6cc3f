"""Slices of real subjects: what a prediction would see, read late, kept in bounds."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.slices import PLANES, frame_slices
from napari_medsynth.engine.sources import gather_sources
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Volume, read_study, write_volume
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.data import slices
from napari_medsynth.training.data.cache import Stack, StackCache
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.data.slices import RealSlices

STILL = TrainConfig(affine=0, intensity=0)
CARD = ModelCard(
    id="x",
    family="resvit",
    task="synthesis",
    title="X",
    factory="a:b",
    inputs=("T1", "T2", "FLAIR"),
    outputs=("T1", "T2", "FLAIR"),
    is_unified=True,
    spacing=1.5,
)


def head(contrast: str, shape=(10, 36, 30), spacing=(4.0, 1.0, 1.0), shift=0.0):
    """Two boxes of a head in air, their grey values by contrast; centred at 0."""
    half = (np.array(shape) - 1) / 2 * spacing
    z, y, x = np.meshgrid(
        *(np.linspace(-h, h, n) for h, n in zip(half, shape, strict=True)),
        indexing="ij",
    )
    y = y - shift
    greys = {"T1": (500, 900), "T2": (800, 200), "FLAIR": (400, 700)}[contrast]
    skull = (z / 15) ** 2 + (y / 15) ** 2 + (x / 12) ** 2 < 1
    lobe = (z / 8) ** 2 + ((y + 5) / 6) ** 2 + ((x - 3) / 4) ** 2 < 1
    image = np.select([lobe, skull], greys[::-1], 0).astype(np.float32)
    image += np.random.default_rng(7).normal(0, 9, shape).astype(np.float32) * skull
    return Volume(image[np.newaxis], spacing=spacing, origin=tuple(-half))


def write(folder: Path, **volumes: Volume) -> Subject:
    files = {}
    for contrast, volume in volumes.items():
        path = folder / f"{contrast}.nii.gz"
        write_volume(volume, path)
        files[contrast] = str(path)
    return Subject("ann", files)


@pytest.fixture
def ann(tmp_path: Path) -> Subject:
    """T1 and T2 on different grids; no FLAIR."""
    t2 = head("T2", shape=(14, 30, 26), spacing=(3.0, 1.3, 1.3))
    return write(tmp_path, T1=head("T1"), T2=t2)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the volumes that are read."""
    paths: list[str] = []
    read = slices.read_volume

    def watched(path):
        paths.append(Path(path).name)
        return read(path)

    monkeypatch.setattr(slices, "read_volume", watched)
    return paths


def test_nothing_is_read_before_a_slice_is_needed_and_nothing_twice(ann, reads):
    cache = StackCache()
    subject = RealSlices(ann, CARD, STILL, cache=cache)
    assert reads == []

    subject.draw("axial", 4, None)
    subject.indices("coronal")
    RealSlices(ann, CARD, STILL, cache=cache).draw("sagittal", 9, None)

    assert reads == ["T1.nii.gz", "T2.nii.gz"]


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("spacing", [None, 1.5])
def test_a_slice_is_what_a_prediction_would_see(ann, plane, spacing):
    card = replace(CARD, spacing=spacing)
    sources = gather_sources(read_study(ann.files), card, ("T1", "T2"))
    frame = frame_slices(sources.reference, plane, size_multiple=1, spacing=spacing)

    sample = RealSlices(ann, card, STILL, cache=StackCache()).draw(plane, 5, None)

    images = torch.from_numpy(sources.images([5], PLANES[plane]))
    np.testing.assert_allclose(
        sample.images, frame.to_network(images)[0].numpy(), atol=2e-5
    )
    assert sample.images.max() > 0.5
    assert sample.present.tolist() == [True, True, False]
    assert (sample.images[2] == -1).all()


def test_the_card_decides_on_the_intensities(ann):
    window = {"kind": "window", "low": 0, "high": 1000}
    card = replace(CARD, intensity={"*": window}, spacing=None)

    sample = RealSlices(ann, card, STILL, cache=StackCache()).draw("axial", 5, None)

    assert sample.images[0].max() == pytest.approx(2 * 0.9 - 1, abs=0.06)


def test_slices_without_head_or_outside_of_a_scan_are_left_out(tmp_path):
    t2 = head("T2")
    lower = t2.with_data(t2.data[:, :5].copy())
    whole = write(tmp_path, T1=head("T1"), T2=t2)
    indices = RealSlices(whole, CARD, STILL, cache=StackCache()).indices("axial")
    assert indices.tolist() == list(range(1, 9))

    (tmp_path / "slab").mkdir()
    slab = write(tmp_path / "slab", T1=head("T1"), T2=lower)

    indices = RealSlices(slab, CARD, STILL, cache=StackCache()).indices("axial")
    assert indices.tolist() == [1, 2, 3, 4]


def test_rigid_alignment_brings_a_shifted_scan_back(tmp_path):
    shape, spacing = (20, 40, 34), (2.0, 1.2, 1.2)
    straight = {c: head(c, shape, spacing) for c in ("T1", "T2")}
    off = head("T2", shape, spacing, shift=5.0)
    subject = write(tmp_path, T1=straight["T1"], T2=off)
    (tmp_path / "true").mkdir()
    true = write(tmp_path / "true", **straight)

    def error(subject, align):
        seen, wanted = (
            RealSlices(s, CARD, STILL, align=a, cache=StackCache())
            .draw("axial", 10, None)
            .images[1]
            for s, a in ((subject, align), (true, "header"))
        )
        return np.abs(seen - wanted).mean()

    assert error(subject, "rigid") < 0.25 * error(subject, "header")


def test_a_sample_is_varied_as_the_settings_say_and_never_what_does_not_exist(ann):
    config = TrainConfig(affine=1, intensity=1)
    subject = RealSlices(ann, CARD, config, cache=StackCache())
    still = subject.draw("axial", 5, None)

    first, again, other = (
        subject.draw("axial", 5, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)
    assert not np.array_equal(first.images, still.images)
    assert (first.images[2] == -1).all()
    assert (first.truth[2] == -1).all()


def test_missing_contrasts_are_one_sentence(tmp_path):
    subject = write(tmp_path, T1=head("T1"))

    with pytest.raises(VolumeError, match="ann cannot teach X: nothing beside T1"):
        RealSlices(subject, CARD, STILL, cache=StackCache()).indices("axial")


def test_several_images_in_one_file_are_one_sentence(tmp_path):
    two = head("T2")
    two = two.with_data(np.concatenate([two.data, two.data]))
    subject = write(tmp_path, T1=head("T1"))
    write_volume(two, tmp_path / "T2.nrrd")
    subject = Subject("ann", {**subject.files, "T2": str(tmp_path / "T2.nrrd")})

    with pytest.raises(VolumeError, match="T2"):
        RealSlices(subject, CARD, STILL, cache=StackCache()).indices("axial")


def stack(value: int) -> Stack:
    return Stack(np.full((1, 2, 50, 50), value, np.uint16), (1.0, 1.0, 1.0))


def test_memory_stays_below_its_limit_and_nothing_is_made_twice():
    cache, made = StackCache(limit=25_000), []

    def make(key):
        made.append(key)
        return stack(key)

    for key in [0, 1, 2, 3, 4, 1, 0, 4, 2]:
        found = cache.get(key, lambda key=key: make(key))
        assert (found.data == key).all()
        assert cache.n_bytes <= 25_000

    assert made == [0, 1, 2, 3, 4]


def test_what_was_used_last_stays_in_memory():
    cache = StackCache(limit=25_000)
    for key in (0, 1, 0, 2):
        cache.get(key, lambda key=key: stack(key))

    is_mapped = [
        isinstance(cache.get(key, lambda: stack(9)).data, np.memmap) for key in (0, 1)
    ]

    assert is_mapped == [False, True]


def test_with_a_full_disk_stacks_are_made_again(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    cache, made = StackCache(limit=15_000), []
    for key in (0, 1, 0):
        cache.get(key, lambda key=key: made.append(key) or stack(key))

    assert made == [0, 1, 0]
    assert cache.n_bytes <= 15_000


def test_threads_share_one_reading(ann, reads):
    cache = StackCache(limit=10)
    subject = RealSlices(ann, CARD, STILL, cache=cache)
    expected = [subject.draw("axial", i, None).images for i in range(10)]
    cache.clear()
    reads.clear()

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda i: subject.draw("axial", i % 10, None), range(40)))

    assert reads == ["T1.nii.gz", "T2.nii.gz"]
    for i, sample in enumerate(drawn):
        np.testing.assert_array_equal(sample.images, expected[i % 10])


def test_a_file_that_was_written_over_is_read_again(tmp_path):
    ann = write(tmp_path, T1=head("T1"), T2=head("T2"))
    before = RealSlices(ann, CARD, STILL).draw("axial", 5, None)
    write_volume(head("T1", shift=6.0), ann.files["T1"])
    os.utime(ann.files["T1"], ns=(1, 1))

    after = RealSlices(ann, CARD, STILL).draw("axial", 5, None)

    assert not np.array_equal(before.images[0], after.images[0])
    assert np.array_equal(before.images[1], after.images[1])
