"""Questions about held-out subjects, and the preview."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.errors import EngineError
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.data.samples import Sample
from napari_medsynth.training.validate import Preview, Validation

CPU = torch.device("cpu")


class Flat:
    """A subject of flat slices: T1 0.5, T2 0.25, FLAIR 1, all in [0, 1]."""

    def __init__(self, name="bob", n=20, present=(True, True, True)):
        self.name, self._n, self._present = name, n, np.array(present)

    def indices(self, plane):
        return np.arange(3, 3 + self._n) if self._n else np.array([], int)

    def draw(self, plane, index, rng):
        assert rng is None  # always the same question
        levels = np.array([0.5, 0.25, 1.0], np.float32)[:, None, None]
        images = np.full((3, 20, 24), 2.0, np.float32) * levels - 1
        images[~self._present] = -1
        return Sample(images, images, self._present)


class Constant(nn.Module):
    """A network that always answers 0.5 of [0, 1]."""

    def forward(self, sources):
        assert sources.shape[2] % 16 == sources.shape[3] % 16 == 0
        return torch.zeros_like(sources)


@pytest.fixture
def card(job):
    return fresh_card(job, job.network)


def test_the_error_is_the_mean_over_all_targets(card):
    measured = Validation(card, [Flat()]).measure(Constant(), CPU)

    assert measured["mae"] == pytest.approx((0 + 0.25 + 0.5) / 3)


def test_only_targets_are_asked_for(card):
    asked = Validation(card, [Flat()], targets=("T2",))

    assert len(asked) == 8
    assert asked.measure(Constant(), CPU)["mae"] == pytest.approx(0.25)
    assert asked.measure(Constant(), CPU)["psnr"] == pytest.approx(12.04, abs=0.01)


def test_what_does_not_exist_is_not_asked_for(card):
    asked = Validation(card, [Flat(present=(True, False, True)), Flat("eve", 0)])

    assert len(asked) == 16
    assert asked.measure(Constant(), CPU)["mae"] == pytest.approx(0.25)
    assert len(Validation(card, [Flat(present=(True, False, False))])) == 0


def test_a_directed_model_is_asked_with_its_sources_only(card):
    directed = replace(card, is_unified=False, inputs=("T1", "T2"), outputs=("FLAIR",))
    asked = Validation(directed, [Flat()])

    assert len(asked) == 8
    assert asked.first.batch.sources.shape == (1, 2, 32, 32)
    assert asked.first.batch.truth.max() == 1


def test_many_subjects_are_asked_less_each(card):
    asked = Validation(card, [Flat(str(n)) for n in range(16)])

    assert len(asked) == 16 * 3 * 2
    assert len(Validation(card, [Flat(str(n)) for n in range(50)])) == 50 * 3


def test_nothing_to_measure_is_no_error(card):
    class Dark(Flat):
        def draw(self, plane, index, rng):
            sample = super().draw(plane, index, rng)
            return replace(sample, truth=np.full_like(sample.truth, -1))

    assert Validation(card, [Dark()]).measure(Constant(), CPU) == {}


def test_the_preview_is_the_middle_slice_without_padding(card, tmp_path):
    question = Validation(card, [Flat()], targets=("FLAIR",)).first
    preview = Preview(question, Constant(), CPU)
    preview.write(tmp_path / "new" / "preview.npz", Constant(), CPU)

    with np.load(tmp_path / "new" / "preview.npz") as file:
        shown = dict(file)
    assert {k: v.shape for k, v in shown.items() if v.ndim} == dict.fromkeys(
        ("source", "truth", "before", "now"), (20, 24)
    )
    assert shown["truth"].min() == shown["truth"].max() == 1
    assert shown["now"].max() == shown["source"].max() == 0.5
    assert (str(shown["target"]), str(shown["subject"])) == ("FLAIR", "bob")


def test_a_full_disk_is_said_in_a_sentence(card, tmp_path, monkeypatch):
    preview = Preview(Validation(card, [Flat()]).first, Constant(), CPU)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EngineError, match=r"No space left.*free some space"):
        preview.write(tmp_path / "preview.npz", Constant(), CPU)
