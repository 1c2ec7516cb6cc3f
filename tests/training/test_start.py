"""First weights."""

import torch
from torch import nn

from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training.start import sharp_start

SMALL = {
    "width": 8,
    "n_blocks": 2,
    "transformer_blocks": (1,),
    "embed_dim": 8,
    "depth": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "token_grid": (2, 2),
    "dropout": 0.0,
}


def test_residual_blocks_start_as_identities():
    model = ResViT(4, 4, **SMALL, skip=True)
    sharp_start(model)
    features = torch.rand(1, 32, 8, 8)

    assert torch.equal(model.art_2(features), features)


def test_a_pixel_passes_the_first_layer_as_a_pixel():
    torch.manual_seed(0)
    model = ResViT(4, 4, **SMALL, skip=True)
    sharp_start(model)
    image = torch.zeros(1, 4, 33, 33)
    image[0, 2, 16, 16] = 1.0

    response = model.encoder_1[:2](image)[0].abs()

    assert response[2].argmax() == 16 * 33 + 16
    assert response[2].max() > 5 * response[2].flatten().sort().values[-2]


def test_skips_reach_the_last_two_layers():
    model = ResViT(2, 1, **SMALL, skip=True).eval()
    plain = ResViT(2, 1, **SMALL).eval()

    assert model.decoder_2[0].in_channels == 2 * plain.decoder_2[0].in_channels
    assert model.decoder_3[1].in_channels == 2 * plain.decoder_3[1].in_channels
    image = torch.rand(1, 2, 32, 48)
    before = model(image)
    with torch.no_grad():  # silence the blocks: the skips still carry the image
        model.decoder_1[0].weight.zero_()
    silenced = model(image)
    assert silenced.shape == before.shape == (1, 1, 32, 48)
    assert silenced.std() > 0


def test_other_networks_are_left_alone():
    layer = nn.Conv2d(1, 1, 3)
    before = layer.weight.clone()

    sharp_start(layer)

    assert torch.equal(layer.weight, before)
