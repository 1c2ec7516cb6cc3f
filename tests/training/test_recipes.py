"""The published recipes can be read, say what was published, and take a first step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from napari_medsynth.catalogue import write_pack
from napari_medsynth.engine.weights import state_to_numpy
from napari_medsynth.training import TrainJob, read_job
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.data.batches import as_batch
from napari_medsynth.training.data.masks import random_mask
from napari_medsynth.training.learner import Learner, learning_rate
from napari_medsynth.training.network import start_network

FOLDER = Path(__file__).parents[2] / "resources" / "training"
KINDS = ("one-to-one", "many-to-one", "unified", "leave-one-out")
STAGES = [(kind, stage) for kind in KINDS for stage in (1, 2)]
SMALL = {
    "width": 2,
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "token_grid": [2, 2],
}


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_DATA", str(tmp_path / "subjects"))
    return lambda kind, stage: read_job(FOLDER / f"resvit-{kind}-{stage}.toml")


@pytest.mark.parametrize(("kind", "stage"), STAGES)
def test_a_recipe_has_the_published_numbers(recipe, kind, stage):
    job: TrainJob = recipe(kind, stage)
    learn, network = job.learn, job.network

    assert (learn.objective, learn.gan_loss) == ("gan", "least-squares")
    assert (learn.l1_weight, learn.adversarial_weight) == (100, 1)
    assert (learn.l2_weight, learn.ssim_weight, learn.gradient_weight) == (0, 0, 0)
    assert (learn.beta1, learn.beta2, learn.batch_size) == (0.5, 0.999, 1)
    assert (learn.clip, learn.ema, learn.patch_size, learn.trained) == (
        *(0, 0, 256),
        "everything",
    )
    epochs, rate = ((100, 2e-4), (50, 1e-3))[stage - 1]
    rates = [
        learning_rate(epoch, learn, n_steps=epochs, steps_per_epoch=1)
        for epoch in range(epochs)
    ]
    assert learn.epochs == epochs
    assert rates[0] == rates[epochs // 2 - 2] == rate
    assert rates[epochs // 2 - 1] < rate
    assert rates[-1] == 0
    assert network.options["transformer_blocks"] == ([], [1, 6])[stage - 1]
    sizes = ("width", "n_blocks", "embed_dim", "depth", "n_heads", "mlp_dim")
    assert [network.options[s] for s in sizes] == [64, 9, 768, 12, 12, 3072]


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_stage_continues_the_first(recipe, kind):
    first, second = recipe(kind, 1), recipe(kind, 2)

    base = (FOLDER / first.output).resolve()
    assert Path(second.base).resolve() == base
    assert (first.network.inputs, first.network.outputs) == (
        second.network.inputs,
        second.network.outputs,
    )
    is_unified = fresh_card(first, first.network).is_unified
    assert is_unified == (kind in ("unified", "leave-one-out"))
    assert first.learn.availability == (
        "leave-one-out" if kind == "leave-one-out" else "all"
    )


@pytest.mark.parametrize(("kind", "stage"), STAGES)
def test_a_recipe_takes_its_first_step(recipe, kind, stage, tmp_path):
    job = shrunken(recipe(kind, stage))
    if stage == 2:
        first = shrunken(recipe(kind, 1))
        card, model = start_network(first)
        pack = write_pack(
            tmp_path / "first.safetensors", card, state_to_numpy(model.state_dict())
        )
        job = replace(job, base=str(pack.path))
    torch.manual_seed(0)
    card, model = start_network(job)
    learner = Learner(job.learn, card, model, Fabric(accelerator="cpu", devices=1))
    rng = np.random.default_rng(0)
    n = len(dict.fromkeys((*card.inputs, *card.outputs)))
    images = rng.uniform(-1, 1, (1, n, 32, 32)).astype(np.float32)
    if card.is_unified:
        ones = np.ones(n, bool)
        given, wanted = random_mask(ones, ones, job.learn.availability, rng)
    else:
        given = np.arange(n) < len(card.inputs)
        wanted = ~given
    batch = as_batch(card, images, images, given[None], wanted[None])
    before = {k: v.clone() for k, v in model.state_dict().items()}

    losses = learner.update(batch, job.learn.learning_rate)

    expected = {"total", "l1", "adversarial", "discriminator_fake"}
    assert expected <= set(losses)
    assert ("reconstruction" in losses) == card.is_unified
    known = losses.get("reconstruction", 0.0)
    assert losses["total"] == pytest.approx(
        100 * losses["l1"] + 100 * known + losses["adversarial"], rel=1e-4
    )
    changed = [
        k for k, v in model.state_dict().items() if not torch.equal(v, before[k])
    ]
    trained = {name for name, _ in model.named_parameters()}
    assert trained - set(changed) <= {k for k in trained if "attn.key.bias" in k}


def shrunken(job: TrainJob) -> TrainJob:
    options = {**job.network.options, **SMALL, "dropout": 0.0}
    return replace(
        job, base="", network=replace(job.network, options=options), output=""
    )
