"""Objectives: parts of a batch, states, processes."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch.testing import assert_close

from napari_medsynth.training.objectives.supervised import Supervised
from training.tiny import (
    GAN,
    MIXED,
    adversarial,
    assert_same_network,
    tiny,
    uneven_batch,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_a_supervised_batch_in_parts_is_the_same_update(fabric, n_parts, clip):
    whole, cut = (
        Supervised(replace(MIXED, clip=clip, accumulate=n), tiny(), fabric)
        for n in (1, n_parts)
    )

    for _ in range(2):
        losses, in_parts = whole.step(uneven_batch()), cut.step(uneven_batch())

    assert cut.n_parts == n_parts
    assert_close(in_parts, losses)
    assert_same_network(cut.generator, whole.generator, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("n_parts", [2, 3])
def test_an_adversarial_batch_in_parts_is_the_same_update(fabric, n_parts):
    whole, cut = (adversarial(fabric, replace(GAN, accumulate=n)) for n in (1, n_parts))

    for _ in range(2):
        losses, in_parts = whole.step(uneven_batch()), cut.step(uneven_batch())

    assert_close(in_parts, losses, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.generator, whole.generator, atol=1e-5, rtol=1e-4)
    assert_same_network(cut.discriminator, whole.discriminator, atol=1e-5, rtol=1e-4)


def test_the_gradients_of_both_networks_are_clipped(fabric):
    objective = adversarial(fabric, replace(GAN, clip=0.01))

    objective.step(uneven_batch())

    for network in (objective.generator, objective.discriminator):
        gradients = [p.grad.flatten() for p in network.parameters()]
        assert torch.cat(gradients).norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("kind", ["supervised", "gan"])
def test_an_objective_continues_from_its_state(fabric, kind):
    def fresh():
        if kind == "gan":
            return adversarial(fabric)
        return Supervised(MIXED, tiny(), fabric)

    first, batch = fresh(), uneven_batch()
    first.step(batch)
    second = fresh()
    second.load_state_dict(deepcopy(first.state_dict()))

    assert_close(second.step(batch), first.step(batch), atol=0, rtol=0)
    assert_same_network(second.generator, first.generator, atol=0, rtol=0)


TWO_PROCESSES = """
import sys
sys.path.insert(0, {tests!r})
import torch
from lightning_fabric import Fabric
from dataclasses import replace
from training.tiny import GAN, MIXED, adversarial, tiny, uneven_batch
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.objectives.gan import Adversarial, JudgedChannels
from napari_medsynth.training.objectives.supervised import Supervised
from napari_medsynth.training.trained import choose_trained

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
batch = uneven_batch()
mine = slice(0, 1) if fabric.global_rank == 0 else slice(1, 3)
tensors = (batch.sources, batch.truth, batch.given, batch.wanted)
part = Batch(*(tensor[mine] for tensor in tensors))
saved = {{}}
for accumulate in (1, 2):
    supervised = Supervised(replace(MIXED, accumulate=accumulate), tiny(), fabric)
    gan = adversarial(fabric, replace(GAN, accumulate=accumulate))
    for objective, name in ((supervised, "supervised"), (gan, "gan")):
        for _ in range(3):
            losses = objective.step(part)
        saved[name, accumulate] = (objective.state_dict(), losses)
sizes = dict(embed_dim=8, depth=1, n_heads=2, mlp_dim=8, token_grid=(2, 2))
resvit = ResViT(2, 2, width=2, n_blocks=1, transformer_blocks=(1,), **sizes).train()
lora = replace(GAN, trained="lora", accumulate=2)
choose_trained(resvit, lora)
objective = Adversarial(lora, resvit, fabric, channels=JudgedChannels((0, 1), (0, 1)))
for _ in range(2):
    objective.step(part)
saved["lora"] = {{k: p.detach() for k, p in resvit.named_parameters()}}
torch.save(saved, {folder!r} + f"/rank{{fabric.global_rank}}.pt")
"""


@pytest.mark.slow
def test_two_processes_learn_as_one(fabric, tmp_path):
    script = tmp_path / "two.py"
    tests = str(Path(__file__).parents[1])
    script.write_text(TWO_PROCESSES.format(tests=tests, folder=str(tmp_path)))

    subprocess.run([sys.executable, str(script)], check=True, timeout=120)

    ranks = [torch.load(tmp_path / f"rank{i}.pt", weights_only=False) for i in (0, 1)]
    alone = {
        "supervised": Supervised(MIXED, tiny(), fabric),
        "gan": adversarial(fabric),
    }
    for name, objective in alone.items():
        for _ in range(3):
            losses = objective.step(uneven_batch())
        expected = objective.state_dict()
        for accumulate in (1, 2):
            for rank in ranks:
                state, theirs = rank[name, accumulate]
                assert_close(theirs, losses, atol=1e-4, rtol=1e-3)
                for player in {"generator", "discriminator"} & set(expected):
                    assert_close(state[player], expected[player], atol=1e-4, rtol=1e-3)
    one, other = (rank["lora"] for rank in ranks)
    assert_close(one, other, atol=0, rtol=0)
    assert any(".up" in name and tensor.any() for name, tensor in one.items())
