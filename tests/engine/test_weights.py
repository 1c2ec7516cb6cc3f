"""Weights: from a pack into a network that is ready to run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from napari_medsynth.catalogue import ModelCard, write_pack
from napari_medsynth.engine.weights import (
    N_CACHED,
    fold_batchnorm,
    load_model,
    load_weights,
    numpy_to_state,
    state_to_numpy,
)
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.blocks import SliceNorm2d, set_norm_statistics
from napari_medsynth.models.resvit import ResViT

OPTIONS = {
    "in_channels": 2,
    "out_channels": 1,
    "width": 4,
    "n_blocks": 2,
    "transformer_blocks": [1],
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "mlp_dim": 8,
    "token_grid": [2, 2],
}


def randomised(seed: int = 0) -> ResViT:
    """Build a tiny ResViT whose norm layers have seen something."""
    torch.manual_seed(seed)
    model = ResViT(**OPTIONS)
    for module in model.modules():
        if isinstance(module, SliceNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight, mean=1.0, std=0.2)
            nn.init.normal_(module.bias, std=0.2)
    return model.eval()


def card_of(card_id: str = "tiny", **values) -> ModelCard:
    return ModelCard(
        id=card_id,
        family="resvit",
        task="synthesis",
        title="Tiny ResViT",
        factory="napari_medsynth.models.resvit:ResViT",
        options=OPTIONS,
        inputs=("T1", "T2"),
        outputs=("FLAIR",),
        **values,
    )


def packed(folder, card: ModelCard, *, seed: int = 0, dtype=np.float32) -> ModelCard:
    """Write a pack where the registry finds it; give the card with its sha256."""
    weights = state_to_numpy(randomised(seed).state_dict(), dtype=dtype)
    return write_pack(folder / f"{card.id}.safetensors", card, weights).card


def test_loaded_network_gives_the_output_of_the_saved_one(models_home):
    card = packed(models_home, card_of())
    image = torch.rand(2, 2, 32, 32)

    model = load_model(card)

    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert_close(model(image), randomised()(image))


def test_half_precision_packs_become_float32_networks(models_home):
    card = packed(models_home, card_of(), dtype=np.float16)
    image = torch.rand(1, 2, 32, 32)

    model = load_model(card)

    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert_close(model(image), randomised()(image), atol=5e-3, rtol=0)


def test_norm_statistics_are_those_of_the_card(models_home):
    card = packed(models_home, card_of(norm_statistics="batch"))
    image = torch.rand(1, 2, 32, 32)
    expected = randomised()
    set_norm_statistics(expected, "batch")

    assert_close(load_model(card)(image), expected(image))
    running = replace(card, norm_statistics="running")
    assert_close(load_model(running)(image), randomised()(image))


def test_a_network_is_built_once_and_again_for_new_weights(models_home):
    card = packed(models_home, card_of())
    first = load_model(card)

    assert load_model(card) is first
    card = packed(models_home, card_of(), seed=1)
    assert load_model(card) is not first


def test_few_networks_are_kept(models_home):
    cards = [packed(models_home, card_of(f"tiny-{i}")) for i in range(N_CACHED + 1)]
    first = load_model(cards[0])
    for card in cards[1:]:
        load_model(card)

    assert load_model(cards[0]) is not first


def test_a_card_of_other_weights_is_refused(models_home):
    packed(models_home, card_of())

    with pytest.raises(WeightsError, match=r"Tiny ResViT needs the weights 012345678"):
        load_model(card_of(sha256="0123456789abcdef"))


def test_weights_that_do_not_fit_are_named(models_home):
    card = card_of()
    weights = state_to_numpy(randomised().state_dict())
    del weights["encoder_1.1.weight"]
    weights["extra"] = np.zeros(3, np.float32)
    weights["decoder_3.1.bias"] = np.zeros(2, np.float32)
    card = write_pack(models_home / "tiny.safetensors", card, weights).card

    with pytest.raises(
        WeightsError,
        match=r"Tiny ResViT do not fit ResViT, 1 missing: encoder_1.1.weight; "
        r"1 unknown: extra; 1 of another shape: decoder_3.1.bias 2 instead of 1\. Use",
    ):
        load_model(card)


def test_only_the_first_few_wrong_names_are_listed():
    with pytest.raises(
        WeightsError, match=r"4 missing: 0.weight, 0.bias, 1.weight, \."
    ):
        load_weights(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), {}, name="x")


@pytest.mark.parametrize("blocks", [(), (1,)])
def test_folded_norms_change_nothing_but_rounding(blocks):
    model = randomised()
    if not blocks:
        model = ResViT(**{**OPTIONS, "transformer_blocks": ()}).eval()
    image = torch.rand(2, 2, 32, 32)

    folded = fold_batchnorm(model)

    with torch.inference_mode():
        assert_close(folded(image), model(image), atol=1e-5, rtol=0)
    assert not any(isinstance(m, SliceNorm2d) for m in folded.modules())
    assert any(isinstance(m, SliceNorm2d) for m in model.modules())


def test_norms_of_each_slice_are_not_folded():
    model = randomised()
    set_norm_statistics(model, "batch")
    image = torch.rand(2, 2, 32, 32)

    folded = fold_batchnorm(model)

    with torch.inference_mode():
        assert_close(folded(image), model(image))


def test_folding_a_network_in_training_is_refused():
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batchnorm(randomised().train())


def test_half_precision_arrays_keep_counters_and_statistics_exact():
    state = {
        "norm.weight": torch.tensor([1.5]),
        "norm.running_var": torch.tensor([1e6]),
        "norm.num_batches_tracked": torch.tensor(70000),
    }

    arrays = state_to_numpy(state, dtype=np.float16)
    back = numpy_to_state(arrays)

    assert arrays["norm.weight"].dtype == np.float16
    assert all(torch.equal(back[key], state[key]) for key in state)
    assert all(back[key].dtype == state[key].dtype for key in state)


def test_arrays_do_not_share_memory_with_the_network():
    model = nn.Linear(1, 1)
    arrays = state_to_numpy(model.state_dict())
    before = arrays["weight"].copy()
    with torch.no_grad():
        model.weight.add_(1)

    np.testing.assert_array_equal(arrays["weight"], before)
