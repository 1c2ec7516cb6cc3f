"""Every blueprint there is: what its card says is what its network does."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from math import ceil

import pytest
import torch
from pydantic import TypeAdapter

from napari_medsynth.catalogue import ModelCard, build_model
from napari_medsynth.catalogue.blueprints import blueprints
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.resources import resource
from napari_medsynth.simulate.degrade import check_spec, factor_of
from napari_medsynth.training.config import TrainConfig

SMALL = 3_000_000  # parameters
CARDS = blueprints()
every = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
every_small = pytest.mark.parametrize(
    "card",
    [card for card in CARDS if card.parameters < SMALL],
    ids=lambda card: card.id,
)


def channels_of(card: ModelCard) -> int:
    return len(card.inputs) * (2 * card.neighbours + 1)


def side_of(card: ModelCard, at_least: int) -> int:
    return ceil(at_least / card.size_multiple) * card.size_multiple


def last_of(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return output[-1] if isinstance(output, tuple) else output


def weights_of(card: ModelCard) -> int:
    with torch.device("meta"):
        network = build_model(card)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@every
def test_all_that_is_written_is_read(card):
    written = tomllib.loads(resource("cards", f"{card.id}.toml").read_text("utf-8"))
    assert set(written) <= {f.name for f in fields(ModelCard)} - {"id"}
    assert {"parameters", "reference", "limits", "recipe", "factory"} <= set(written)
    assert not card.is_trained
    assert not card.licence
    assert card.reference.startswith("https://")
    assert card.factory.startswith(f"napari_medsynth.models.{card.family}:")


@every
def test_network_has_the_parameters_of_its_card(card):
    assert weights_of(card) == card.parameters


@every
def test_network_gives_what_its_card_promises(card):
    side = side_of(card, 64)
    with torch.device("meta"):
        network = build_model(card).eval()
        image = torch.zeros(2, channels_of(card), side, side + card.size_multiple)
        made = network(image)
    expected = (2, len(card.outputs), side, side + card.size_multiple)
    assert tuple(last_of(made).shape) == expected


@every
def test_recipe_is_one_of_the_training(card):
    config = TypeAdapter(TrainConfig).validate_python(dict(card.recipe))
    assert config.epochs == card.recipe["epochs"]
    assert card.recipe["learning_rate"] == config.learning_rate
    if config.patch_size:
        assert config.patch_size % card.size_multiple == 0


@every
def test_card_fits_its_degradation(card):
    assert card.is_restoration == (card.task in ("super-resolution", "denoising"))
    if not card.is_restoration:
        return
    check_spec(card.degradation)
    if card.scale > 1:
        assert tuple(factor_of(card.degradation)) == (card.scale, card.scale)
    assert set(card.inputs).isdisjoint(card.outputs)


@every
def test_tiles_lie_on_the_grid_of_the_network(card):
    if card.is_restoration:
        assert card.tile
    if not card.tile:
        return
    assert 0 < card.overlap < card.tile
    assert card.tile % card.size_multiple == card.overlap % card.scale == 0
    assert isinstance(card.intensity["*"], Mapping)


@every_small
def test_network_runs_in_the_range_of_the_program(card):
    network = small(card)
    side = side_of(card, 32)
    image = 2 * torch.rand(1, channels_of(card), side, side) - 1
    with torch.no_grad():
        made = last_of(network(image))
    assert made.shape == (1, len(card.outputs), side, side)
    assert made.isfinite().all()
    assert made.std() > 0


@every_small
def test_network_that_enlarges_sees_the_coarse_pixels_only(card):
    if card.scale == 1:
        pytest.skip("it does not enlarge")
    network, step = small(card), card.scale
    side = side_of(card, 32)
    image = 2 * torch.rand(1, channels_of(card), side, side) - 1
    others = 2 * torch.rand(image.shape) - 1
    others[..., ::step, ::step] = image[..., ::step, ::step]
    changed = image.clone()
    changed[..., step * 3, step * 3] += 0.5
    with torch.no_grad():
        made, same, different = (
            last_of(network(given)) for given in (image, others, changed)
        )
    torch.testing.assert_close(same, made, rtol=0, atol=0)
    assert (different - made).abs().max() > 0


def small(card: ModelCard) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_model(card).eval()
    set_norm_statistics(network, card.norm_statistics)
    return network


def test_the_catalogue_has_the_published_enlargers():
    expected = {
        *("srcnn", "edsr-x2", "edsr-x3", "edsr-x4", "edsr-paper-x2", "rdn-x2"),
        *("rdn-x4", "rcan-x2", "rcan-x4", "srgan-x4", "srresnet-x2", "srresnet-x4"),
    }
    assert expected <= {card.id for card in CARDS}
