"""The guard rail with models that restore: the worse image is made of the real one."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.io import Volume, write_volume
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.guard.judge import Contender, judge

CARD = ModelCard(
    id="x",
    family="srcnn",
    task="super-resolution",
    title="X",
    factory="tests:Same",
    inputs=("low-resolution X-ray",),
    outputs=("X-ray",),
    intensity={"*": {"kind": "percentile", "low": 0.0, "high": 100.0}},
    size_multiple=2,
    scale=2,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
)


class Same(nn.Module):
    """Gives what it is shown, darker by a known amount."""

    def __init__(self, error=0.0):
        super().__init__()
        self.error = error

    def forward(self, image):
        return (image - self.error).clamp(-1, 1)


@pytest.fixture
def subjects(tmp_path):
    found = []
    for number in range(3):
        y, x = np.mgrid[-1:1:40j, -1:1:36j]
        image = 500 * (x**2 + y**2 < 0.8) + 300 * (np.sin(9 * x + number) > 0)
        path = tmp_path / f"{number}.nii"
        write_volume(Volume(image[np.newaxis, np.newaxis].astype(np.float32)), path)
        found.append(Subject(f"s{number}", {"X-ray": str(path)}))
    return found


def test_pictures_without_a_worse_image_are_measured(subjects):
    verdict = exhausted(
        judge(Contender(CARD, Same(0.2)), Contender(CARD, Same()), subjects)
    )

    assert verdict.notes == ()
    assert verdict.n_subjects == 3
    assert {row["available"] for row in verdict.rows} == {"low-resolution X-ray"}
    assert verdict.verdict == "better"
    assert verdict.forgetting == {}  # nothing simulated is an X-ray


def test_equal_models_are_not_told_apart(subjects):
    verdict = exhausted(judge(*[Contender(CARD, Same())] * 2, subjects))

    assert verdict.verdict == "not distinguishable"
    assert verdict.differences["psnr"].mean == 0


def test_a_subject_without_the_good_image_is_named(subjects):
    other = Subject("other", {"CT": "/nowhere.nii"})
    pair = [Contender(CARD, Same())] * 2

    verdict = exhausted(judge(*pair, [*subjects, other]))

    assert verdict.notes == (
        "other has no source and target of the model and was not measured.",
    )
