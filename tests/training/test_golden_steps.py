"""Two optimisation steps equal those of the published codes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.models.unet import LAYOUTS, UNet
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.learner import learning_rate
from napari_medsynth.training.objectives.gan import Adversarial, JudgedChannels

PUBLISHED = TrainConfig(
    objective="gan",
    l1_weight=100,
    gradient_weight=0,
    reconstruction_weight=0,
    adversarial_weight=1,
    beta1=0.5,
    beta2=0.999,
    clip=0,
)
# Losses of the first and the second step, as the golden vectors' README has them, then
# norms of gradients (those of a second step depend on signs of tiny gradients in the
# first) and of parameters.
CNN = {"losses": (1e-4, 1e-4), "gradients": (1e-4, 5e-3), "parameters": 1e-5}
VIT = {"losses": (1e-3, 3e-3), "gradients": (2e-2, 3e-1), "parameters": 1e-3}


def recipe_of(folder: Path) -> ModuleType:
    """Import the golden recipe of weights, writing nothing beside it."""
    if not folder.is_dir():
        pytest.skip(f"no golden vectors at {folder}")
    spec = spec_from_file_location(f"recipe_{folder.name}", folder / "recipe.py")
    assert spec is not None
    assert spec.loader is not None
    recipe = module_from_spec(spec)
    previous, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(recipe)
    sys.dont_write_bytecode = previous
    return recipe


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def pair(sources: Tensor, truth: Tensor) -> Batch:
    given = torch.zeros(truth.shape[:2], dtype=torch.bool)
    return Batch(sources, truth, given=given, wanted=~given)


def filled(module: nn.Module, recipe: ModuleType) -> nn.Module:
    state = {
        key: torch.from_numpy(recipe.make(key, tensor.shape))
        for key, tensor in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module.train()


def lengths(tensors: dict[str, Tensor]) -> dict[str, float]:
    return {name: tensor.double().norm().item() for name, tensor in tensors.items()}


def assert_norms(ours: dict[str, float], golden: dict[str, float], rtol: float) -> None:
    """Compare by name, but for gradients that are zero in exact arithmetic."""
    skipped = {name for name in golden if name.endswith("attn.key.bias")}
    assert set(ours) - skipped == set(golden) - skipped
    for name in set(golden) - skipped:
        assert ours[name] == pytest.approx(golden[name], rel=rtol, abs=1e-9), name


@pytest.mark.parametrize(
    ("case", "n_sources", "blocks", "tolerances"),
    [
        pytest.param("many_res_cnn", 2, (), CNN, id="many_res_cnn"),
        pytest.param("one_res_cnn", 1, (), CNN, id="one", marks=pytest.mark.slow),
        pytest.param("many_resvit", 2, (1, 6), VIT, id="vit", marks=pytest.mark.slow),
    ],
)
def test_two_steps_equal_resvit(shared, case, n_sources, blocks, tolerances):
    folder = shared / "golden" / "resvit"
    recipe = recipe_of(folder)
    golden = json.loads((folder / "manifest_step.json").read_text())
    expected = golden[f"step_resvit_{case}"]
    network = ResViT(n_sources, 1, transformer_blocks=blocks, dropout=0.0)
    generator = filled(network, recipe)
    objective = Adversarial(
        PUBLISHED,
        generator,
        fabric(),
        channels=JudgedChannels(range(n_sources), (0,)),
        discriminator=filled(PatchGAN(n_sources + 1), recipe),
    )
    objective.set_learning_rate(expected["lr"])
    with np.load(folder / f"input_c{n_sources}.npz") as file:
        images = torch.from_numpy(file["x"].astype(np.float32))
    batch = pair(images, torch.from_numpy(recipe.image(1, seed=7)))

    for number, want in enumerate(expected["steps"]):
        losses = {name: float(value) for name, value in objective.step(batch).items()}
        rtol = tolerances["losses"][number]
        exact = rtol if number else 1e-6
        assert losses["adversarial"] == pytest.approx(want["G_GAN"], rel=rtol)
        assert 100 * losses["l1"] == pytest.approx(want["G_L1"], rel=exact)
        assert losses["discriminator_real"] == pytest.approx(want["D_real"], rel=exact)
        assert losses["discriminator_fake"] == pytest.approx(want["D_fake"], rel=exact)
        assert losses["total"] == pytest.approx(want["G_GAN"] + want["G_L1"], rel=rtol)
        named = dict(generator.named_parameters())
        gradients = lengths({name: p.grad for name, p in named.items()})
        assert_norms(gradients, want["G_grad_l2"], tolerances["gradients"][number])
        whole, golden_whole = (
            np.linalg.norm(list(norms.values()))
            for norms in (gradients, want["G_grad_l2"])
        )
        assert whole == pytest.approx(golden_whole, rel=10 * rtol)
        judge = dict(objective.discriminator.named_parameters())
        rtol = tolerances["parameters"]
        assert_norms(lengths(named), want["G_param_l2_after"], rtol)
        assert_norms(lengths(judge), want["D_param_l2_after"], rtol)


@pytest.mark.parametrize(
    ("case", "half"), [("many_res_cnn", 50), ("one_res_cnn", 50), ("many_resvit", 25)]
)
def test_learning_rates_of_all_epochs_equal_resvit(shared, case, half):
    path = shared / "golden" / "resvit" / "manifest_step.json"
    if not path.is_file():
        pytest.skip(f"no golden vectors at {path}")
    expected = json.loads(path.read_text())[f"step_resvit_{case}"]
    config = TrainConfig(
        epochs=2 * half,
        decay_epochs=half,
        learning_rate=expected["lr"],
        schedule="linear",
        warmup_steps=0,
    )

    rates = [
        learning_rate(3 * epoch + 2, config, n_steps=6 * half, steps_per_epoch=3)
        for epoch in range(2 * half)
    ]

    assert rates == pytest.approx(expected["lr_per_epoch"], rel=1e-9, abs=1e-18)


def test_two_steps_equal_pix2pix(shared):
    folder = shared / "golden" / "pix2pix_two_steps"
    recipe = recipe_of(shared / "golden" / "zoo_recipe")
    meta = json.loads((folder / "meta.json").read_text())
    players = {
        "G": UNet(1, 1, width=8, depth=7, dropout=0.0),
        "D": PatchGAN(2, width=8),
    }
    layout = next(one for one in LAYOUTS if one.card == "pix2pix-128")
    ours = {"G": layout.key_of, "D": str}
    shapes = json.loads((folder / "keys.json").read_text())
    for name, player in players.items():
        state = {
            ours[name](key): recipe.tensor(f"{name}/{key}", shape, meta[f"gain_{name}"])
            for key, shape in shapes[name].items()
        }
        player.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})
        player.train()
    with np.load(folder / "vectors.npz") as file:
        batch = pair(torch.from_numpy(file["A"]), torch.from_numpy(file["B"]))
    objective = Adversarial(
        replace(PUBLISHED, gan_loss="cross-entropy", learning_rate=2e-4),
        players["G"],
        fabric(),
        channels=JudgedChannels((0,), (0,)),
        discriminator=players["D"],
    )
    objective.discriminator.train()  # the golden batch of 2 was normalised as one

    for want in meta["losses_per_step"]:
        losses = {name: float(value) for name, value in objective.step(batch).items()}
        assert losses["adversarial"] == pytest.approx(want["G_GAN"], rel=1e-5)
        assert 100 * losses["l1"] == pytest.approx(want["G_L1"], rel=1e-5)
        assert losses["discriminator_real"] == pytest.approx(want["D_real"], rel=1e-5)
        assert losses["discriminator_fake"] == pytest.approx(want["D_fake"], rel=1e-5)

    rtol = meta["suggested_rtol"]
    for name, player in players.items():
        state = player.state_dict()
        expected = meta["mean_and_mean_abs_after_two_steps"][name]
        for key, (mean, size) in expected.items():
            tensor = state[ours[name](key)]
            assert tensor.abs().mean().item() == pytest.approx(size, rel=rtol)
            assert tensor.mean().item() == pytest.approx(mean, abs=rtol * size)


def test_learning_rates_equal_pix2pix(shared):
    path = shared / "golden" / "pix2pix_two_steps" / "meta.json"
    if not path.is_file():
        pytest.skip(f"no golden vectors at {path}")
    config = TrainConfig(
        epochs=200,
        decay_epochs=100,
        learning_rate=2e-4,
        schedule="linear",
        warmup_steps=0,
    )

    for epoch, rate in json.loads(path.read_text())["lr_by_epoch"].items():
        step = 3 * (int(epoch) - 1)
        ours = learning_rate(step, config, n_steps=600, steps_per_epoch=3)
        assert ours == pytest.approx(rate, rel=1e-9, abs=1e-18)
