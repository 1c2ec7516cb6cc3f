"""The loop: learns, repeats, resumes, and writes a pack."""

from copy import deepcopy
from dataclasses import replace
from importlib import import_module

import pytest
import torch

from napari_medsynth.catalogue.pack import read_pack
from napari_medsynth.errors import EngineError, WeightsError
from napari_medsynth.training import TrainConfig, train, train_from_config
from napari_medsynth.training.card import trained_card
from napari_medsynth.training.data import Batches
from napari_medsynth.training.train import Trainer, learning_rate


def run(config: TrainConfig, **options):
    steps = train(config, **options)
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as finished:
            return progress, finished.value


def test_equal_seeds_give_equal_weights(config):
    _, one = run(config)
    _, again = run(config)
    _, other = run(replace(config, seed=1))

    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_loss(config):
    longer = replace(config, n_steps=40, learning_rate=3e-3)

    progress, _ = run(longer)

    first = sum(p.losses["wanted"] for p in progress[:5])
    last = sum(p.losses["wanted"] for p in progress[-5:])
    assert last < 0.8 * first
    assert [p.step for p in progress] == list(range(1, 41))


def test_an_interrupted_run_ends_with_the_same_weights(config, tmp_path):
    eager = replace(config, checkpoint_every=1)
    _, whole = run(eager)
    checkpoint = tmp_path / "run.checkpoint"
    steps = train(eager, checkpoint=checkpoint)
    next(steps)
    steps.close()

    progress, resumed = run(eager, checkpoint=checkpoint)

    assert [p.step for p in progress] == [2, 3]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_foreign_or_damaged_checkpoint_is_refused(config, tmp_path):
    checkpoint = tmp_path / "run.checkpoint"
    run(config, checkpoint=checkpoint)
    with pytest.raises(WeightsError, match="other training settings"):
        run(replace(config, seed=9), checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(WeightsError, match="damaged"):
        run(config, checkpoint=checkpoint)


def test_a_loss_that_is_not_finite_is_said_in_a_sentence(config, monkeypatch):
    def broken(output, batch, **weights):
        return {"total": output.mean() * float("nan")}

    module = import_module("napari_medsynth.training.train")  # not the function
    monkeypatch.setattr(module, "losses", broken)

    with pytest.raises(EngineError, match="lower learning_rate"):
        run(config)


def test_the_rate_warms_up_and_falls_to_a_hundredth(config):
    longer = replace(config, n_steps=100, warmup_steps=10, learning_rate=1.0)

    rates = [learning_rate(step, longer) for step in range(100)]

    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] < 0.012


def test_bf16_trains_float32_weights(config):
    trainer = Trainer(replace(config, precision="bf16"))
    progress, _ = run(replace(config, precision="bf16"))

    assert progress[-1].losses["total"] > 0
    assert next(trainer.model.parameters()).dtype == torch.float32


def test_slice_statistics_learn_the_right_gradients(config):
    # channels_last group norm has wrong ones in torch 2.13 on the CPU.
    trainer = Trainer(replace(config, norm_statistics="batch"))
    batch = Batches(config)[0]
    double = deepcopy(trainer.model).double().eval()
    exact = double(batch.sources.double())
    (exact - batch.truth).square().sum().backward()

    got = trainer.forward(batch)
    (got - batch.truth).square().sum().backward()

    ours = trainer.model.art_1.cc.skip[0].weight.grad
    reference = double.art_1.cc.skip[0].weight.grad.float()
    torch.testing.assert_close(ours, reference, rtol=1e-2, atol=1e-2)


def test_the_card_names_the_statistics(config):
    progress, weights = run(replace(config, norm_statistics="batch"))

    assert progress[-1].losses["total"] > 0
    assert torch.equal(
        weights["encoder_1.2.running_mean"], torch.zeros(4)
    )  # never used
    card = trained_card(replace(config, norm_statistics="batch"), n_steps=3, seconds=60)
    assert card.norm_statistics == "batch"
    assert card.training["minutes"] == 1.0


def test_a_recipe_becomes_a_pack(brick, config, tmp_path):
    recipe = tmp_path / "recipe.toml"
    options = "\n".join(f"{name} = {value}" for name, value in config.options.items())
    recipe.write_text(
        'id = "tiny"\ntitle = "Tiny"\noutput = "out/tiny.safetensors"\nn_steps = 2\n'
        "batch_size = 1\nn_anatomies = 1\nsides = [32, 32]\nn_threads = 1\n"
        f"[options]\n{options}\n"
    )

    path = train_from_config(recipe, log_every=1)

    pack = read_pack(path)
    assert path == tmp_path / "out" / "tiny.safetensors"
    assert pack.card.is_unified
    assert pack.card.family == "resvit"
    assert pack.card.training["steps"] == 2
    assert pack.weights()["decoder_3.1.bias"].dtype == "float16"
    assert not path.with_suffix(".checkpoint").exists()
