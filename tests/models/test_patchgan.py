"""PatchGAN against the published network and by itself."""

import hashlib

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from napari_medsynth.models.layout import all_layouts
from napari_medsynth.models.mmgan import MMGAN
from napari_medsynth.models.patchgan import LAYOUTS, MMGANCritic, PatchGAN, PixelGAN
from napari_medsynth.models.resnet import ResNetGenerator
from napari_medsynth.models.unet import UNet


@pytest.mark.parametrize("in_channels", [2, 3])
def test_scores_equal_the_published_network(golden, in_channels):
    name = f"disc_in{in_channels}"
    manifest = golden.json("manifest_disc")[name]
    expected = {
        k: torch.from_numpy(v) for k, v in golden.arrays(f"output_{name}").items()
    }
    weights, image = golden.weights(name), golden.image(in_channels)
    model = PatchGAN(in_channels)
    model.load_state_dict(weights)

    assert sum(p.numel() for p in model.parameters()) == manifest["params"]
    digest = hashlib.sha256()
    for key in sorted(weights):
        digest.update(key.encode() + weights[key].numpy().tobytes())
    assert digest.hexdigest() == manifest["weights_sha256"]
    with torch.inference_mode():
        assert_close(model.eval()(image), expected["y"], atol=1e-5, rtol=0)
        assert_close(model.train()(image), expected["y_train"], atol=3e-5, rtol=0)


def test_a_score_sees_70_by_70_pixels():
    model = PatchGAN(1, width=2).eval()
    image = torch.randn(1, 1, 128, 128, requires_grad=True)

    scores = model(image)
    scores[0, 0, 7, 7].backward()

    assert scores.shape == (1, 1, 14, 14)
    seen = image.grad[0, 0] != 0
    assert seen.any(0).sum() == 70
    assert seen.any(1).sum() == 70


def test_weights_start_small():
    torch.manual_seed(0)
    model = PatchGAN(2, width=16)

    assert abs(model.model[5].weight.std().item() - 0.02) < 0.002
    assert abs(model.model[6].weight.mean().item() - 1) < 0.02


@pytest.mark.parametrize(
    ("name", "critic"),
    [
        ("pix2pix_patchgan", lambda: PatchGAN(2)),
        ("cyclegan_patchgan", lambda: PatchGAN(1, norm="instance")),
        ("pix2pix_pixelgan", lambda: PixelGAN(2)),
        ("mmgan_patchgan", MMGANCritic),
    ],
)
def test_critic_equals_the_published_one(zoo_golden, name, critic):
    golden, network = zoo_golden(name), critic()
    network.load_state_dict(golden.state)
    assert sum(p.numel() for p in network.parameters()) == golden.meta["parameters"]
    with torch.no_grad():
        golden.check(network.eval()(golden.arrays["x"]))
        if "y_batch_stats" in golden.arrays:
            golden.check(network.train()(golden.arrays["x"]), "y_batch_stats")


@pytest.mark.parametrize(("n_layers", "seen"), [(1, 16), (2, 34), (4, 142)])
def test_layers_set_how_much_a_score_sees(n_layers, seen):
    model = PatchGAN(1, width=1, n_layers=n_layers, norm="none")
    image = torch.randn(1, 1, 192, 192, requires_grad=True)
    scores = model(image)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    rows = (image.grad[0, 0] != 0).any(1).nonzero()
    assert (rows[-1] - rows[0] + 1).item() == seen


def test_widths_double_up_to_eight_times():
    channels = [
        layer.out_channels
        for layer in PatchGAN(1, width=2, n_layers=6).model
        if isinstance(layer, nn.Conv2d)
    ]
    assert channels == [2, 4, 8, 16, 16, 16, 16, 1]


@pytest.mark.parametrize("norm", ["batch", "instance", "spectral", "none"])
@pytest.mark.parametrize(
    "make",
    [
        lambda norm: PatchGAN(2, width=4, norm=norm),
        lambda norm: PixelGAN(2, width=4, norm=norm),
        lambda norm: MMGANCritic(2, 3, width=4, norm=norm),
    ],
    ids=["patch", "pixel", "mm-gan"],
)
def test_norms(make, norm):
    model = make(norm)
    kinds = {type(layer).__name__ for layer in model.modules()}
    assert ("SliceNorm2d" in kinds) == (norm == "batch")
    assert ("InstanceNorm2d" in kinds) == (norm == "instance")
    keys = [key for key in model.state_dict() if key.endswith("weight.original")]
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(keys) == (len(convolutions) if norm == "spectral" else 0)
    # Only what a batch norm follows has no bias, beside the published exceptions.
    middle = convolutions[1]
    assert (middle.bias is None) == (norm == "batch")
    assert model(torch.rand(2, 2, 64, 64)).isfinite().all()


@pytest.mark.parametrize("is_training", [True, False])
def test_spectral_norms_follow_the_weights_in_either_mode(is_training):
    torch.manual_seed(0)
    model = PatchGAN(1, width=4, norm="spectral").train(is_training)
    layer = model.model[2]
    with torch.no_grad():
        new = torch.randn_like(layer.parametrizations.weight.original)
        layer.parametrizations.weight.original.copy_(new)
    for _ in range(30):
        model(torch.rand(1, 1, 32, 32))
    largest = torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2)
    assert largest.item() == pytest.approx(1, abs=0.02)


def test_pixel_scores_depend_on_their_pixel_only():
    model = PixelGAN(2, width=4).eval()
    image = torch.rand(1, 2, 5, 7)
    changed = image.clone()
    changed[0, 1, 2, 3] += 1
    differs = (model(changed) != model(image))[0, 0]
    assert differs.nonzero().tolist() == [[2, 3]]


def test_wrong_choices_are_refused():
    with pytest.raises(ValueError, match="norm must be one of batch, instance"):
        PatchGAN(1, norm="layer")
    with pytest.raises(ValueError, match="n_layers must be at least 1"):
        PatchGAN(1, n_layers=0)


@pytest.mark.parametrize(
    "critic",
    [
        PatchGAN(2, width=1),
        PatchGAN(2, width=1, norm="instance"),
        PixelGAN(2, width=1),
        MMGANCritic(width=1),
    ],
)
def test_files_of_critics_are_refused_in_a_sentence(critic):
    (layout,) = (one for one in all_layouts() if one.fits(critic.state_dict()))
    assert "generator's file" in layout.refused


@pytest.mark.parametrize(
    "network",
    [UNet(width=1), ResNetGenerator(width=1), MMGAN(width=1)],
    ids=lambda network: type(network).__name__,
)
def test_own_keys_of_generators_are_not_taken_for_critics(network):
    refused = [one for one in LAYOUTS if one.fits(network.state_dict())]
    assert not refused
