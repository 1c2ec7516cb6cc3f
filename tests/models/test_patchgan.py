"""PatchGAN against the published network and by itself."""

import hashlib

import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.models.patchgan import PatchGAN


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
