"""What of a network is trained."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from napari_medsynth.catalogue import read_pack
from napari_medsynth.errors import CardError
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.objectives.supervised import Supervised
from napari_medsynth.training.trained import choose_trained, exported_state


def tiny(**options) -> ResViT:
    torch.manual_seed(0)
    sizes = {
        "width": 2,
        "n_blocks": 2,
        "transformer_blocks": (1,),
        "embed_dim": 8,
        "depth": 1,
        "n_heads": 2,
        "mlp_dim": 12,
        "token_grid": (2, 2),
        "dropout": 0.0,
    }
    return ResViT(1, 1, **{**sizes, **options})


def changed_by_a_step(model: nn.Module, config: TrainConfig) -> set[str]:
    """Give the names of the exported tensors that one step changes."""
    before = deepcopy(exported_state(model))
    fabric = Fabric(accelerator="cpu", devices=1)
    wanted = torch.ones(2, 1, dtype=torch.bool)
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    batch = Batch(images, images.flip(2), given=~wanted, wanted=wanted)
    objective = Supervised(replace(config, learning_rate=0.1), model, fabric)
    for _ in range(2):  # in the first one, half of each LoRA is still zero
        objective.step(batch)
    after = exported_state(model)
    names = {name for name, _ in model.eval().named_buffers()}
    return {
        name
        for name, tensor in after.items()
        if name not in names and not torch.equal(tensor, before[name])
    }


PROJECTIONS = ("query", "key", "value", "out")
EXPECTED = {
    "everything": lambda name: True,
    "decoder": lambda name: not name.startswith("encoder_"),
    "transformer": lambda name: name.startswith(
        ("transformer_encoder.", "art_1.embeddings.")
    ),
    "lora": lambda name: any(f".attn.{p}.weight" in name for p in PROJECTIONS),
}


@pytest.mark.parametrize("trained", list(EXPECTED))
def test_a_step_changes_what_was_chosen_and_nothing_else(trained):
    model = tiny()
    names = [name for name, _ in model.named_parameters()]
    n_plain = sum(p.numel() for p in model.parameters())
    config = TrainConfig(trained=trained, lora_rank=2)

    n = choose_trained(model, config)
    changed = changed_by_a_step(model, config)

    expected = {name for name in names if EXPECTED[trained](name)}
    # Gradients that are zero in exact arithmetic may or may not move a bias.
    moot = {name for name in expected if name.endswith("attn.key.bias")}
    assert changed - moot == expected - moot
    if trained == "lora":
        assert n == 4 * 2 * 2 * 8
    else:
        sizes = {name: p.numel() for name, p in tiny().named_parameters()}
        assert n == sum(sizes[name] for name in expected)
    assert n <= n_plain


def test_what_was_frozen_before_is_trained_if_it_is_chosen():
    model = tiny().requires_grad_(False)

    choose_trained(model, TrainConfig(trained="everything"))

    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(
    ("model", "trained"),
    [
        (tiny(transformer_blocks=()), "transformer"),
        (tiny(transformer_blocks=()), "lora"),
        (nn.Sequential(nn.Conv2d(1, 1, 1)), "decoder"),
        (nn.Tanh(), "everything"),
    ],
    ids=["transformer", "lora", "decoder", "everything"],
)
def test_a_part_that_the_network_lacks_is_named(model, trained):
    with pytest.raises(CardError, match=f"trained = {trained} needs a network with"):
        choose_trained(model, TrainConfig(trained=trained))


def test_the_exported_state_fits_the_network_of_the_card():
    model = tiny()
    choose_trained(model, TrainConfig(trained="lora", lora_rank=2))

    tiny().load_state_dict(exported_state(model), strict=True)

    assert not any("parametrizations" in name for name in exported_state(model))


@pytest.mark.parametrize("trained", ["decoder", "lora"])
@pytest.mark.parametrize("objective", ["supervised", "gan"])
def test_a_run_ends_with_a_pack_of_the_plain_network(
    tuning_job, run_job, trained, objective
):
    learn = replace(tuning_job.learn, trained=trained, objective=objective, lora_rank=2)
    job = replace(tuning_job, learn=learn)

    _, done = run_job(job)

    base, tuned = read_pack(Path(job.base)), read_pack(Path(done.pack))
    assert tuned.card.parameters == sum(
        array.size for name, array in base.weights().items() if is_parameter(name)
    )
    assert set(tuned.weights()) == set(base.weights())
    kept = [name for name in tuned.weights() if name.startswith("encoder_")]
    for name in kept:
        np.testing.assert_array_equal(
            tuned.weights()[name], base.weights()[name].astype(np.float16)
        )
    moved = "transformer_encoder.layer.0.attn.value.weight"
    difference = tuned.weights()[moved] - base.weights()[moved]
    assert np.abs(difference).max() > 1e-5


def is_parameter(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_a_lora_run_against_a_discriminator_is_resumed_exactly(
    tuning_job, run_job, tmp_path
):
    learn = replace(tuning_job.learn, trained="lora", objective="gan", epochs=2)
    job = replace(tuning_job, learn=learn)
    _, whole = run_job(job, folder=tmp_path / "whole")
    run_job(job, stop_at=3, folder=tmp_path / "cut")

    _, resumed = run_job(job, resume=True, folder=tmp_path / "cut")

    expected = read_pack(Path(whole.pack)).weights()
    for name, array in read_pack(Path(resumed.pack)).weights().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
