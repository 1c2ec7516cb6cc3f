"""The cycle objective: two published steps, whose turn it is, states, learning."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.testing import assert_close

from napari_medsynth.errors import CardError
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.models.resnet import ResNetGenerator
from napari_medsynth.training import TrainConfig
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.learner import learning_rate
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.cycle import Cycle
from napari_medsynth.training.objectives.pool import ImagePool
from training.test_golden_steps import recipe_of
from training.tiny import assert_same_network, card_of, images

CYCLE = TrainConfig(
    objective="cycle",
    learning_rate=2e-4,
    beta1=0.5,
    beta2=0.999,
    clip=0,
    pool_size=50,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def pair(source: torch.Tensor, target: torch.Tensor) -> Batch:
    wanted = torch.ones(len(target), 1, dtype=torch.bool)
    return Batch(source, target, given=~wanted, wanted=wanted)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(4, 1, 1), nn.Tanh()
    )


def critic(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=2), nn.LeakyReLU(), nn.Conv2d(4, 1, 4)
    )


def tiny_cycle(fabric: Fabric, config: TrainConfig = CYCLE) -> Cycle:
    critics = (critic(3), critic(4))
    return Cycle(config, network(1), network(2), fabric, critics=critics)


def test_two_steps_equal_cyclegan(shared, fabric):
    folder = shared / "golden" / "cyclegan_two_steps"
    recipe = recipe_of(shared / "golden" / "zoo_recipe")
    meta = json.loads((folder / "meta.json").read_text())
    players: dict[str, nn.Module] = {
        **{name: ResNetGenerator(width=8, n_blocks=6) for name in ("G_A", "G_B")},
        **{name: PatchGAN(1, width=8, norm="instance") for name in ("D_A", "D_B")},
    }
    for name, player in players.items():
        state = {
            key: recipe.tensor(
                f"{name}/{key.replace('.body.', '.conv_block.')}",
                tensor.shape,
                meta[f"gain_{name[0]}"],
            )
            for key, tensor in player.state_dict().items()
        }
        player.load_state_dict({k: torch.as_tensor(v) for k, v in state.items()})
        player.train()
    with np.load(folder / "vectors.npz") as file:
        batch = pair(torch.from_numpy(file["A"]), torch.from_numpy(file["B"]))
    objective = Cycle(
        CYCLE,
        players["G_A"],
        players["G_B"],
        fabric,
        critics=(players["D_A"], players["D_B"]),
    )
    names = {
        "G_A": ("adversarial", 1),
        "G_B": ("adversarial_back", 1),
        "cycle_A": ("cycle", 10),
        "cycle_B": ("cycle_back", 10),
        "idt_A": ("identity", 5),
        "idt_B": ("identity_back", 5),
    }

    for want in meta["losses_per_step"]:
        losses = {name: float(value) for name, value in objective.step(batch).items()}
        for theirs, (ours, weight) in names.items():
            assert weight * losses[ours] == pytest.approx(want[theirs], rel=1e-5)
        for theirs, end in (("D_A", ""), ("D_B", "_back")):
            both = (
                losses[f"discriminator_real{end}"],
                losses[f"discriminator_fake{end}"],
            )
            assert 0.5 * sum(both) == pytest.approx(want[theirs], rel=1e-5)
        total = sum(want[name] for name in names)
        assert losses["total"] == pytest.approx(total, rel=1e-5)

    rtol = meta["suggested_rtol"]
    has_gradient = {"G": {"model.23.bias"}, "D": {"model.0.bias", "model.11.bias"}}
    for name, player in players.items():
        state = player.state_dict()
        expected = meta["mean_and_mean_abs_after_two_steps"][name]
        assert len(expected) == len(state)
        for key, (mean, size) in expected.items():
            tensor = state[key.replace(".conv_block.", ".body.")]
            atol = rtol * size
            # A bias before an instance norm has no gradient but rounding errors, of
            # which Adam makes steps of its learning rate.
            if key.endswith("bias") and key not in has_gradient[name[0]]:
                atol = 2 * 2e-4
            assert tensor.abs().mean().item() == pytest.approx(size, abs=atol)
            assert tensor.mean().item() == pytest.approx(mean, abs=atol)


def test_learning_rates_of_all_epochs_equal_cyclegan(shared):
    path = shared / "golden" / "cyclegan_two_steps" / "meta.json"
    if not path.is_file():
        pytest.skip(f"no golden vectors at {path}")
    config = replace(
        CYCLE, epochs=200, decay_epochs=100, schedule="linear", warmup_steps=0
    )

    for epoch, rate in json.loads(path.read_text())["lr_by_epoch"].items():
        step = 3 * (int(epoch) - 1) + 2
        made = learning_rate(step, config, n_steps=600, steps_per_epoch=3)
        assert made == pytest.approx(rate, rel=1e-9, abs=1e-18)


def test_the_generators_learn_first_and_the_critics_see_what_they_had_made(fabric):
    objective = tiny_cycle(fabric)
    batch = pair(images(2, 1), images(2, 1, seed=9))
    there, back, (of_target, of_source) = (
        deepcopy(one)
        for one in (objective.generator, objective.back, objective.critics)
    )
    source, target = batch.sources, batch.truth
    fake_target, fake_source = there(source), back(target)

    losses = objective.step(batch)

    expected = {
        "adversarial": (of_target(fake_target) - 1).square().mean(),
        "adversarial_back": (of_source(fake_source) - 1).square().mean(),
        "cycle": (back(fake_target) - source).abs().mean(),
        "cycle_back": (there(fake_source) - target).abs().mean(),
        "identity": (there(target) - target).abs().mean(),
        "identity_back": (back(source) - source).abs().mean(),
    }
    weights = (1, 1, 10, 10, 5, 5)
    total = sum(w * v for w, v in zip(weights, expected.values(), strict=True))
    expected |= {
        "total": total,
        "discriminator_fake": of_target(fake_target).square().mean(),
        "discriminator_real": (of_target(target) - 1).square().mean(),
        "discriminator_fake_back": of_source(fake_source).square().mean(),
        "discriminator_real_back": (of_source(source) - 1).square().mean(),
    }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(losses[name], value.detach(), msg=name)
    total.backward()
    for old, new in ((there, objective.generator), (back, objective.back)):
        for p, ours in zip(old.parameters(), new.parameters(), strict=True):
            assert_close(ours.grad, p.grad, atol=1e-6, rtol=1e-4)


def test_without_identity_it_is_neither_computed_nor_told(fabric):
    config = replace(CYCLE, identity_weight=0.0)

    losses = tiny_cycle(fabric, config).step(pair(images(1, 1), images(1, 1, seed=9)))

    assert not any(name.startswith("identity") for name in losses)
    both = losses["cycle"] + losses["cycle_back"]
    verdicts = losses["adversarial"] + losses["adversarial_back"]
    assert_close(losses["total"], 10 * both + verdicts)


@pytest.mark.parametrize("gan_loss", ["least-squares", "cross-entropy", "hinge"])
def test_a_batch_in_parts_is_the_same_update(fabric, gan_loss):
    config = replace(CYCLE, gan_loss=gan_loss, pool_size=0, learning_rate=1e-3)
    whole = tiny_cycle(fabric, config)
    cut = tiny_cycle(fabric, replace(config, accumulate=2))
    batch = pair(images(3, 1), images(3, 1, seed=9))

    for _ in range(2):
        losses, in_parts = whole.step(batch), cut.step(batch)

    assert_close(in_parts, losses, atol=1e-5, rtol=1e-4)
    for one, other in zip(
        (cut.generator, cut.back, *cut.critics),
        (whole.generator, whole.back, *whole.critics),
        strict=True,
    ):
        assert_same_network(one, other, atol=1e-5, rtol=1e-4)


def test_it_continues_bit_by_bit_with_its_pools(fabric):
    config = replace(CYCLE, pool_size=2, learning_rate=1e-2)
    batches = [pair(images(2, 1, seed=n), images(2, 1, seed=9 + n)) for n in range(6)]
    first = tiny_cycle(fabric, config)
    for batch in batches[:3]:
        first.step(batch)
    second = tiny_cycle(fabric, config)
    second.load_state_dict(deepcopy(first.state_dict()))

    for batch in batches[3:]:
        assert_close(second.step(batch), first.step(batch), atol=0, rtol=0)

    assert_same_network(second.generator, first.generator, atol=0, rtol=0)
    forgetful = tiny_cycle(fabric, config)
    state = deepcopy(first.state_dict())
    state["pools"] = [{"images": [torch.zeros(1, 32, 32)] * 2}] * 2
    forgetful.load_state_dict(state)
    told = forgetful.step(batches[0]), first.step(batches[0])
    assert told[0]["discriminator_fake"] != told[1]["discriminator_fake"]


def test_slices_of_changing_sizes_meet_in_the_pool(fabric):
    config = replace(CYCLE, pool_size=2)
    objective = tiny_cycle(fabric, config)

    for n in range(8):
        side = 24 if n % 2 else 32
        both = (2 * torch.rand(2, 1, side, side) - 1 for _ in range(2))
        losses = objective.step(pair(*both))

    assert all(value.isfinite() for value in losses.values())
    shapes = {i.shape for p in objective.state_dict()["pools"] for i in p["images"]}
    assert shapes <= {(1, 24, 24), (1, 32, 32)}


def test_it_learns_a_contrast_from_unpaired_images(fabric):
    """Target = - source, of other images: there and back becomes better, and right."""
    config = replace(CYCLE, learning_rate=3e-3, identity_weight=0.0, critic_layers=1)
    card = replace(
        card_of(("T1",), ("T2",)),
        factory="napari_medsynth.models.resnet:ResNetGenerator",
        options={"width": 4, "n_blocks": 1},
        size_multiple=4,
    )
    torch.manual_seed(0)
    generator = ResNetGenerator(width=4, n_blocks=1)
    objective = make_objective(config, generator, fabric, card=card)

    told = []
    for n in range(30):
        torch.manual_seed(n)
        coarse = torch.rand(2, 1, 8, 8)
        smooth = nn.functional.interpolate(coarse, (32, 32), mode="bilinear")
        told.append(objective.step(pair(smooth[:1], -smooth[1:])))

    cycles = [float(one["cycle"] + one["cycle_back"]) for one in told]
    assert np.mean(cycles[-5:]) < 0.5 * np.mean(cycles[:5])
    assert all(v.isfinite() for one in told for v in one.values())


def test_the_other_generator_is_of_the_same_kind_backwards(fabric):
    card = replace(
        card_of(("T1", "T2"), ("PD",)),
        factory="napari_medsynth.models.resnet:ResNetGenerator",
        options={"in_channels": 2, "out_channels": 1, "width": 4, "n_blocks": 1},
    )
    generator = ResNetGenerator(2, 1, width=4, n_blocks=1)
    config = replace(CYCLE, identity_weight=0.0)

    objective = make_objective(config, generator, fabric, card=card)

    assert objective.back(torch.zeros(1, 1, 16, 16)).shape == (1, 2, 16, 16)
    assert [c.state_dict()["model.0.weight"].shape[1] for c in objective.critics] == [
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("inputs", "outputs", "changes", "words"),
    [
        (("T1", "T2"), ("T1", "T2"), {}, "T1, T2 would be both"),
        (("T1", "T2"), ("PD",), {}, "as many inputs as outputs, got 2 and 1"),
        (("T1",), ("T2",), {"gan_loss": "wasserstein-gp"}, "no gradient penalty"),
    ],
)
def test_what_it_cannot_do_is_said(fabric, inputs, outputs, changes, words):
    config = replace(CYCLE, **changes)
    with pytest.raises(CardError, match=words):
        make_objective(config, network(0), fabric, card=card_of(inputs, outputs))


def test_a_pool_gives_new_images_until_it_is_full():
    pool, rng = ImagePool(2), np.random.default_rng(0)
    new = images(2, 1)

    given = pool.query(new, rng)

    assert_close(torch.stack(given), new)
    assert len(pool) == 2


def test_a_full_pool_exchanges_about_half_of_them():
    """By hand: above a half, the kept one comes and the new one takes its place."""
    pool = ImagePool(1)
    numbers = [torch.full((1, 1, 1, 1), float(n)) for n in range(5)]
    pool.query(numbers[0], np.random.default_rng(0))

    class Dice:
        def __init__(self, values):
            self.values = list(values)

        def uniform(self):
            return self.values.pop(0)

        def integers(self, n):
            return 0

    dice = Dice([0.2, 0.5, 0.7, 0.9])
    given = [float(pool.query(image, dice)[0]) for image in numbers[1:]]

    assert given == [1, 2, 0, 3]
    assert [float(i) for i in pool.state_dict()["images"]] == [4]


def test_an_empty_pool_gives_back_what_came():
    pool, rng = ImagePool(0), np.random.default_rng(0)

    given = [pool.query(images(1, 1, seed=n), rng)[0] for n in range(4)]

    assert len(pool) == 0
    assert_close(given, [images(1, 1, seed=n)[0] for n in range(4)])


def test_half_of_many_images_are_older_ones():
    pool, rng = ImagePool(5), np.random.default_rng(1)
    pool.query(torch.zeros(5, 1, 1, 1), rng)

    new = [torch.full((1, 1, 1, 1), n + 1.0) for n in range(2000)]
    kept = sum(bool(pool.query(image, rng)[0] == image) for image in new)

    assert 900 < kept < 1100
