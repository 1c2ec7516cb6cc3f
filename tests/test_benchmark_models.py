"""benchmarks/models.py compares every family, and keeps what it did not measure."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from napari_medsynth.catalogue import BLUEPRINT, list_cards, origin_of

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def models():
    sys.path.insert(0, str(FOLDER))  # its own helpers
    try:
        spec = importlib.util.spec_from_file_location(
            "benchmark_models", FOLDER / "models.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["benchmark_models"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))


def tiny(models):
    """Two steps on one head, judged on one slice of another."""
    return models.Budget(1e15, 1e15, 2, n_subjects=1, n_held_out=1, n_slices=1)


def test_script_measures_a_model_and_keeps_the_rows_of_others(
    models, monkeypatch, tmp_path
):
    monkeypatch.setitem(models.BUDGETS, "short", tiny(models))
    title = models.TASKS[1].title
    earlier = {"model": "rcan-x2", "budget": "short", "PSNR [dB]": 1.0}
    stale = {"model": "srcnn", "budget": "short", "PSNR [dB]": 2.0}
    other = {"model": "srcnn", "budget": "long", "PSNR [dB]": 3.0}
    table = tmp_path / "models.json"
    table.write_text(json.dumps({"tables": {title: [earlier, stale, other]}}))

    models.main(
        ["--only", "srcnn", "--device", "cpu", "--write", "--table", str(table)]
    )

    written = json.loads(table.read_text())
    rows = {(row["model"], row["budget"]): row for row in written["tables"][title]}
    assert set(rows) == {
        ("bicubic", "short"),
        ("srcnn", "short"),
        ("srcnn", "long"),
        ("rcan-x2", "short"),
    }
    assert rows["rcan-x2", "short"] == earlier
    assert rows["srcnn", "long"] == other
    assert list(rows["srcnn", "short"]) == list(models.COLUMNS)
    assert list(rows["bicubic", "short"]) == list(models.COLUMNS)
    made = rows["srcnn", "short"]
    assert made["steps"] == 2
    assert made["learnt as"] == "as published"
    assert made["parameters"] == "57 k"
    # 57,184 weights, a product and a sum for each pixel; sums of biases do not count
    assert made["GFLOP"] == pytest.approx(2 * 57_184 * 256**2 / 1e9, rel=0.01)
    assert made["ms"] > 0
    assert made["memory [MiB]"] > 0
    assert 20 < rows["bicubic", "short"]["PSNR [dB]"] < 45
    assert "2 steps" in written["about"]
    assert [path.name for path in tmp_path.iterdir()] == ["models.json"]


def test_every_family_takes_part(models):
    blueprints = [
        card for card in list_cards(blueprints=True) if origin_of(card.id) == BLUEPRINT
    ]

    found = {one.card.family for one in models.contenders().values()}

    assert found >= {card.family for card in blueprints}
    assert "resvit" in found


def test_all_of_a_table_get_the_same_images(models):
    for one in models.contenders().values():
        card, task = one.card, one.task
        wanted = task.inputs + task.outputs if card.is_unified else task.inputs
        assert card.inputs == wanted
        assert card.degradation == task.degradation
        assert set(card.intensity) == {"*"}
        assert card.scale in (1, 2)


@pytest.mark.parametrize(
    ("flops", "width", "steps"), [(240, 32, 60), (959, 32, 239), (960, 64, 60)]
)
def test_a_large_network_learns_with_fewer_channels(
    models, monkeypatch, flops, width, steps
):
    """It is as wide as 60 steps allow."""
    rival = models.contenders()["edsr-x2"]
    monkeypatch.setattr(models.Trial, "studies", lambda _: [{"MR": "x.nii.gz"}])
    # A step costs as the square of the width.
    cost = {64: 16.0, 32: 4.0, 16: 1.0}
    monkeypatch.setattr(
        models._Learning,
        "_flops_of_a_step",
        lambda self: cost[self.card.options.get("width", 64)],
    )
    trial = models.Trial(rival.task, FOLDER, 1, 1, 1)
    budget = replace(tiny(models), restoration=float(flops), max_steps=1000)

    learning = models._Learning(rival, trial, budget, "cpu")

    assert learning.n_steps == steps
    said = "as published" if width == 64 else "width 32 of 64"
    assert learning.card.options.get("width", 64) == width
    assert models.size_of(learning.card, rival.card) == said


def test_a_network_whose_critic_costs_most_is_not_narrowed(models, monkeypatch):
    rival = models.contenders()["wganvgg"]
    monkeypatch.setattr(models.Trial, "studies", lambda _: [{"MR": "x.nii.gz"}])
    monkeypatch.setattr(
        models._Learning,
        "_flops_of_a_step",
        lambda self: 10.0 + 0.01 * self.card.options["width"],
    )
    trial = models.Trial(rival.task, FOLDER, 1, 1, 1)
    budget = replace(tiny(models), restoration=210.0, max_steps=1000)

    learning = models._Learning(rival, trial, budget, "cpu")

    assert learning.card.options["width"] == rival.card.options["width"]
    assert learning.n_steps == 20


def test_features_without_weights_are_left_out_and_said(models, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_VGG", str(tmp_path))

    found = models.contenders()

    gan = found["srgan-x4"]
    assert gan.recipe["perceptual_weight"] == 0
    assert gan.recipe["l2_weight"] == 1
    assert "squared error instead of features of VGG" in gan.notes
    kept = found["srresnet-x2"]
    assert kept.notes == ()
    assert kept.recipe == kept.card.recipe


def test_flops_of_a_step_are_those_that_torch_counts(models):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ConvTranspose2d(4, 2, 3),
        torch.nn.Linear(8, 3),
    )
    image = torch.rand(2, 1, 8, 8)

    with models.StepFlops() as ours:
        network(image).square().mean().backward()
    with FlopCounterMode(display=False) as theirs:
        network(image).square().mean().backward()

    assert ours.total == theirs.get_total_flops() > 0


def test_flops_of_the_gradient_of_a_gradient_are_counted(models):
    layer = torch.nn.Conv2d(1, 4, 3)
    image = torch.rand(1, 1, 8, 8, requires_grad=True)

    with models.StepFlops() as once:
        score = layer(image).square().sum()
        (slope,) = torch.autograd.grad(score, image, create_graph=True)
    with models.StepFlops() as again:
        slope.square().sum().backward()

    assert again.total > once.total > 0
