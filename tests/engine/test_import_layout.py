"""Published checkpoints of every layout become packs that compute what they did."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from engine.official_names import EDSR, PUBLISHED
from napari_medsynth.catalogue import build_model, read_pack
from napari_medsynth.catalogue.blueprints import blueprints
from napari_medsynth.engine import import_weights
from napari_medsynth.engine._read_checkpoint import canonical_state, read_state
from napari_medsynth.engine.import_layout import known_networks, recognise
from napari_medsynth.engine.import_weights import import_checkpoint
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.models.blocks import MeanShift, set_norm_statistics
from napari_medsynth.models.layout import all_layouts
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.models.resnet import ResNetGenerator

LAYOUTS = tuple(all_layouts())
NAMES = [layout.name for layout in LAYOUTS if not layout.refused]
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def in_process(monkeypatch, request):
    """Read checkpoints here: a child process takes seconds to import torch."""
    if "child" not in request.fixturenames:
        monkeypatch.setattr(
            import_weights,
            "read_checkpoint",
            lambda path: canonical_state(read_state(path)),
        )


@pytest.fixture
def child():
    """Ask for the child process after all."""


@pytest.fixture
def imported(tmp_path):
    """``imported(state, ...)``: save, import, give the pack."""

    def run(content, name="x", suffix=".pth", **options):
        path = tmp_path / f"{name}{suffix}"
        (save_file if suffix == ".safetensors" else torch.save)(content, path)
        output = tmp_path / f"{name}.pack.safetensors"
        return read_pack(
            import_checkpoint(path, card_id=name, output=output, **options)
        )

    return run


def network_of(pack, **changes):
    """Build what a pack holds, with other fields of its card."""
    card = replace(pack.card, **changes)
    network = build_model(card)
    load_weights(network, numpy_to_state(pack.weights()), name=card.title)
    set_norm_statistics(network, card.norm_statistics)
    return network.requires_grad_(False).eval()


def raw(pack):
    """Build it as published: own range, channels and grid."""
    plain = {"value_range": (-1.0, 1.0), "is_rgb": False, "scale": 1}
    return network_of(pack, norm_statistics="running", **plain)


def images_for(published):
    options = {"in_channels": 1, **published.options}
    torch.manual_seed(1)
    low, high = published.value_range
    shape = (1, options["in_channels"], published.side, published.side)
    return low + (high - low) * torch.rand(shape)


def test_every_layout_that_can_be_used_is_tested_here():
    assert set(NAMES) == set(PUBLISHED)
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_fills_a_card(layout):
    cards = {card.id: card for card in blueprints()}
    assert layout.card in cards
    if not layout.refused:
        network = cards[layout.card].factory.partition(":")[2]
        assert network in known_networks()


@every
def test_published_file_becomes_a_pack_of_the_same_network(imported, name):
    published = PUBLISHED[name]
    network = published.network().requires_grad_(False)

    pack = imported(published.state(network), layout=name, **published.images)

    card = pack.card
    assert dict(card.options).items() >= dict(published.options).items()
    assert card.factory == f"napari_medsynth.models.{published.factory}"
    assert card.value_range == published.value_range
    assert card.scale == published.options.get("scale", 1)
    assert card.size_multiple % card.scale == 0
    assert card.parameters == sum(p.numel() for p in network.parameters())
    assert card.limits == "Imported; its quality was not measured here."
    assert (card.training["imported_from"], card.training["layout"]) == ("x.pth", name)
    image = images_for(published)
    assert_close(raw(pack)(image), network(image))


@every
def test_file_is_read_as_its_own_network(name):
    published = PUBLISHED[name]
    state = published.state(published.network())

    found = recognise(state, name="x")

    assert name in (found.layout.name, *found.others)
    by_name = {layout.name: layout for layout in LAYOUTS}
    for other in found.others:  # one network, run in other ways
        module = PUBLISHED[other].factory
        assert module == published.factory
        assert by_name[other].marks


@every
def test_file_of_a_parallel_and_compiled_network_is_the_same(imported, name):
    published = PUBLISHED[name]
    state = published.state(published.network())
    plain = imported(state, layout=name, **published.images)

    for i, prefix in enumerate(("module.", "_orig_mod.", "module._orig_mod.")):
        prefixed = {prefix + key: tensor for key, tensor in state.items()}
        again = imported(prefixed, f"y{i}", layout=name, **published.images)
        assert again.card.sha256 == plain.card.sha256


@every
def test_imported_network_runs_in_the_range_of_the_program(imported, name):
    published = PUBLISHED[name]
    network = published.network().requires_grad_(False)
    pack = imported(published.state(network), layout=name, **published.images)
    card, (low, high) = pack.card, published.value_range
    n_images = len(card.inputs)
    torch.manual_seed(2)
    grey = low + (high - low) * torch.rand(1, n_images, published.side, published.side)
    seen = grey.repeat_interleave(3, dim=1) if card.is_rgb else grey
    set_norm_statistics(network, card.norm_statistics)
    made = network(seen)
    made = made.mean(dim=1, keepdim=True) if card.is_rgb else made
    expected = (made - low) * 2 / (high - low) - 1

    shown = (grey - low) * 2 / (high - low) - 1
    shown = shown.repeat_interleave(card.scale, 2).repeat_interleave(card.scale, 3)

    assert_close(network_of(pack)(shown), expected, rtol=1e-4, atol=1e-4)


# The five traps: files that load and would be run wrongly.


def edsr_state():
    published = PUBLISHED["EDSR-PyTorch"]
    network = published.network().requires_grad_(False)
    state = published.state(network)
    for sign, name in ((-1, "sub_mean"), (1, "add_mean")):
        shift = MeanShift(sign).state_dict()
        state |= {f"{name}.{key}": value for key, value in shift.items()}
    return state


def test_trap_1_same_keys_another_forward_pass(imported):
    state = edsr_state()
    image = 255 * torch.rand(1, 3, 6, 6)

    official = imported(state, "official")
    hugging = imported(state, "hugging", layout="super-image")

    assert official.card.training["layout"] == "EDSR-PyTorch"
    (other,) = official.card.training["other_layouts"]
    assert other == hugging.card.training["layout"] == "super-image (Hugging Face)"
    assert (official.card.options["colour_range"], official.card.value_range) == (
        *(255.0, (0.0, 255.0)),
    )
    assert (hugging.card.options["colour_range"], hugging.card.value_range) == (
        *(0.0, (0.0, 1.0)),
    )
    plain = PUBLISHED["EDSR-PyTorch"].network(colour_range=0.0).requires_grad_(False)
    assert_close(raw(hugging)(image), plain(image))
    assert (raw(official)(image) - plain(image)).abs().mean() > 0.1


def test_trap_2_range_is_that_of_the_file(imported):
    state = edsr_state()
    state["add_mean.bias"] = state["add_mean.bias"] / 255

    card = imported(state).card

    assert (card.value_range, card.options["colour_range"]) == ((0.0, 1.0), 1.0)


def test_trap_3_dropout_moves_the_layers_of_a_residual_block(imported):
    pgan, cyclegan = PUBLISHED["pGAN"], PUBLISHED["CycleGAN or cGAN"]
    with_dropout = pgan.state(pgan.network())
    without = cyclegan.state(cyclegan.network())

    assert recognise(with_dropout, name="x").layout.name == "pGAN"
    assert recognise(without, name="x").layout.name == "CycleGAN or cGAN"
    assert imported(with_dropout, "a").card.options["dropout"] == 0.5
    assert imported(without, "b").card.options["dropout"] == 0.0
    with pytest.raises(WeightsError, match="fits the layouts 'pGAN': choose one of"):
        recognise(with_dropout, name="x", layout="CycleGAN")


@pytest.mark.parametrize(
    "name", ["pix2pix U-Net 128, batch norm", "pix2pix ResNet with dropout"]
)
def test_trap_4_pix2pix_was_tested_with_the_statistics_of_each_slice(imported, name):
    published = PUBLISHED[name]
    network = published.network().requires_grad_(False)
    image = images_for(published)

    pack = imported(published.state(network))

    assert pack.card.norm_statistics == "batch"
    made = network_of(pack)(image)
    assert (made - network(image)).abs().max() > 1e-3  # running statistics
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    assert_close(made, network(image), rtol=1e-4, atol=1e-4)
    running = imported(published.state(network), "r", norm_statistics="running")
    assert running.card.norm_statistics == "running"


def test_trap_5_residual_of_dbpn_is_chosen_by_its_layout(imported):
    published = PUBLISHED["DBPN"]
    state = published.state(published.network())
    image = torch.rand(1, 3, 6, 6)

    official = imported(state, "official")
    plain = imported(state, "plain", layout="without residual")

    assert official.card.options["residual"]
    assert official.card.training["other_layouts"] == ["DBPN without residual"]
    assert not plain.card.options["residual"]
    added = raw(official)(image) - raw(plain)(image)
    assert_close(added.mean(), image.mean(), rtol=0.1, atol=0.0)


def test_trap_5_result_of_srfbn_is_that_of_its_last_step(imported):
    published = PUBLISHED["SRFBN"]
    network = published.network().requires_grad_(False)
    image = images_for(published)

    made = raw(imported(published.state(network)))(image)

    steps = network.train()(image)
    assert len(steps) == 4
    assert_close(made, steps[-1])


@pytest.mark.parametrize("name", ["RED-CNN", "WGAN-VGG"])
def test_trap_5_low_dose_networks_give_nothing_below_air(imported, name):
    published = PUBLISHED[name]
    pack = imported(published.state(published.network(seed=3)))
    torch.manual_seed(0)
    image = 2 * torch.rand(1, 1, 24, 24) - 1.5

    made = network_of(pack)(image)

    assert pack.card.value_range == (0.0, 1.0)
    assert made.min() >= -1  # -1024 HU


# What cannot be known from a file, and what is wrong with one.


def test_unknown_files_name_what_could_be_told_apart(imported):
    state = {"backbone.conv.weight": torch.zeros(1), "neck.bias": torch.zeros(1)}

    with pytest.raises(WeightsError) as caught:
        imported(state)

    sentence = str(caught.value)
    assert sentence.startswith("x.pth is of no network that is known here (its keys ")
    assert "backbone.conv.weight" in sentence
    assert all(name in sentence for name in ("ResViT", "EDSR", "RCAN", "SRResNet"))
    assert len(sentence.splitlines()) == 1


def test_critics_are_refused(imported):
    with pytest.raises(WeightsError, match=r"x.pth cannot be used: .*discriminator"):
        imported(PatchGAN(2, width=2).state_dict())


def test_layout_that_does_not_fit_names_those_that_do(imported):
    with pytest.raises(WeightsError, match=r"layouts 'EDSR-PyTorch', 'super-image"):
        imported(edsr_state(), layout="BasicSR")


def test_missing_tensors_are_named(imported):
    state = edsr_state()
    del state["body.1.body.2.weight"]
    with pytest.raises(WeightsError, match=r"1 missing: body\.0\.1\.body\.2\.weight"):
        imported(state)
    del state["tail.1.weight"]
    with pytest.raises(WeightsError, match=r"^x.pth looks like a file of EDSR-PyTorch"):
        imported(state)


def test_diverged_weights_are_refused(imported):
    state = edsr_state()
    state["tail.1.bias"] = torch.full((3,), torch.inf)
    with pytest.raises(WeightsError, match=r"not finite in tail\.1\.bias"):
        imported(state)


def test_title_says_what_the_file_holds_not_what_its_card_said(imported):
    published = PUBLISHED["EDSR-PyTorch"]
    state = published.state(replace(published, options={**EDSR, "scale": 4}).network())

    card = imported(state).card

    assert card.title == "EDSR x4, 4 channels, 2 blocks, file of EDSR-PyTorch"
    assert card.degradation["factor"] == [4, 4]
    assert (card.inputs, card.outputs) == (("low-resolution image",), ("image",))
    assert imported(state, "b", title="Mine").card.title == "Mine"
    assert not card.choices


def test_contrasts_may_be_named(imported):
    names = {"inputs": ["low-resolution MR"], "outputs": ["MR"]}
    card = imported(edsr_state(), **names).card
    assert (card.inputs, card.outputs) == (("low-resolution MR",), ("MR",))
    assert card.is_rgb


def resnet_state(in_channels, out_channels):
    torch.manual_seed(0)
    network = ResNetGenerator(in_channels, out_channels, width=2, n_blocks=2)
    return PUBLISHED["CycleGAN or cGAN"].state(network)


@pytest.mark.parametrize(
    ("channels", "images", "expected"),
    [
        ((3, 3), {}, (1, 1, True, 0)),
        ((3, 1), {}, (1, 1, False, 1)),
        (
            (3, 3),
            {"inputs": ["T1", "T2", "PD"], "outputs": ["CT", "PET", "FLAIR"]},
            (3, 3, False, 0),
        ),
        ((3, 1), {"inputs": ["T1", "T2", "PD"], "outputs": ["CT"]}, (3, 1, False, 0)),
        ((2, 1), {"inputs": ["T1", "T2"], "outputs": ["CT"]}, (2, 1, False, 0)),
    ],
    ids=["colours", "neighbours", "three of three", "one of three", "one of two"],
)
def test_channels_are_colours_neighbours_or_contrasts(
    imported, channels, images, expected
):
    card = imported(resnet_state(*channels), **images).card

    found = (len(card.inputs), len(card.outputs), card.is_rgb, card.neighbours)
    assert found == expected


def test_channels_without_a_name_are_asked_for(imported):
    with pytest.raises(WeightsError, match=r"has 2 inputs: name .* \(--inputs\)"):
        imported(resnet_state(2, 1))


def test_restoration_has_one_image_of_one(imported):
    with pytest.raises(CardError, match="one input and one output"):
        imported(edsr_state(), inputs=["a", "b", "c"], outputs=["d", "e", "f"])


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 1e-4}},
        lambda state: {"ema_state_dict": state, "best_psnr": 30.0},
        lambda state: {"params": state},
        lambda state: {"params_ema": state, "params": {"other": torch.zeros(1)}},
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"generator": state, "discriminator": {"x": torch.zeros(1)}},
    ],
    ids=[
        *("state_dict", "ema", "params", "params_ema", "model", "nested"),
        "generator",
    ],
)
def test_what_training_programs_save_around_weights_is_taken_off(imported, wrap):
    plain = imported(edsr_state())

    again = imported(wrap(edsr_state()), "wrapped")

    assert again.card.sha256 == plain.card.sha256


def test_network_that_was_saved_whole_is_refused(imported):
    network = PUBLISHED["EDSR-PyTorch"].network()
    with pytest.raises(WeightsError, match=r"x\.pth .*would run code .*state_dict\(\)"):
        imported({"epoch": 1, "model": network})


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".safetensors"])
def test_all_kinds_of_files_are_read(imported, suffix):
    assert imported(edsr_state(), suffix=suffix).card.title.startswith("EDSR x2")


def test_files_are_read_in_a_child_process(imported, child):
    assert imported(edsr_state(), suffix=".safetensors").card.scale == 2


def test_damaged_safetensors_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"no such header")
    with pytest.raises(WeightsError, match=r"^x\.safetensors is damaged"):
        read_state(path)


def test_half_precision_becomes_float32(imported):
    state = {key: tensor.half() for key, tensor in edsr_state().items()}
    weights = imported(state).weights()
    assert {array.dtype.name for array in weights.values()} == {"float32"}
