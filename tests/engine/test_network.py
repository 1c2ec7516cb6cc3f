import pytest
import torch
from torch import nn

from napari_medsynth.engine.network import (
    dtype_of,
    evaluating,
    has_attention,
    memory_format_of,
    n_parameters,
    ready,
)
from napari_medsynth.models.blocks import SliceNorm2d, set_norm_statistics
from napari_medsynth.models.resvit import ResViT

CPU = torch.device("cpu")


@pytest.fixture
def model():
    """A small ResViT whose norms have something to fold."""
    torch.manual_seed(0)
    model = ResViT(
        2, 2, width=8, n_blocks=2, embed_dim=16, depth=2, n_heads=2, mlp_dim=32,
        transformer_blocks=(1,), token_grid=(2, 2),
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, SliceNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight, mean=1.0, std=0.1)
    return model.eval()


@pytest.fixture
def image():
    """Three slices of a bright head in much air, as channels_last."""
    torch.manual_seed(1)
    image = torch.full((3, 2, 64, 64), -1.0)
    image[:, :, 20:50, 24:44] = torch.rand(3, 2, 30, 20)
    return image.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("statistics", ["running", "batch"])
@torch.inference_mode()
def test_a_ready_network_computes_the_same(statistics, model, image):
    set_norm_statistics(model, statistics)
    expected = model(image.contiguous())

    torch.testing.assert_close(
        ready(model, CPU, "fp32")(image), expected, atol=1e-5, rtol=0
    )


@torch.inference_mode()
def test_float32_norms_are_exact_in_both_layouts(image):
    norm = SliceNorm2d(2).eval()
    set_norm_statistics(norm, "batch")
    nearly_flat = 100 + image  # a variance that is small beside the mean
    expected = norm.double()(nearly_flat.double().contiguous()).float()
    norm.float()

    for layout in (nearly_flat, nearly_flat.contiguous()):
        torch.testing.assert_close(norm(layout), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_last_convolution_stays_in_float32(precision, model):
    network = ready(model, CPU, precision)

    assert (
        dtype_of(network) == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    )
    assert network.decoder_3[1].weight.dtype == torch.float32
    assert n_parameters(network) < n_parameters(model)  # the norms are folded


@torch.inference_mode()
def test_bf16_is_close_and_not_in_256_steps(model, image):
    made = ready(model, CPU, "bf16")(image.bfloat16())

    assert made.dtype == torch.float32
    assert (made - model(image)).square().mean().sqrt() < 0.01
    assert len(made.unique()) > 10_000


def test_the_model_that_is_made_ready_is_left_alone(model):
    model.train()
    ready(model, CPU, "bf16")

    assert model.training
    assert dtype_of(model) == torch.float32
    assert isinstance(model.encoder_1[2], SliceNorm2d)


def test_evaluating_goes_back_to_training_also_after_an_error(model):
    model.train()
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        assert not model.training
        raise ValueError("stop")

    assert model.training


def test_attention_is_known_from_the_forward(model):
    assert has_attention(model)
    assert not has_attention(nn.Conv2d(1, 1, 1))


def test_a_network_without_parameters_computes_in_float32():
    assert dtype_of(nn.Identity()) == torch.float32
    assert n_parameters(nn.Identity()) == 0


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_slice_statistics_run_contiguous_and_others_channels_last(statistics):
    model = ResViT(2, 2, width=4, transformer_blocks=()).eval()
    set_norm_statistics(model, statistics)
    network = ready(model, CPU, "fp32")
    layout = memory_format_of(network)
    is_slice = statistics == "batch"

    assert layout == (torch.contiguous_format if is_slice else torch.channels_last)
    assert network.encoder_2[0].weight.is_contiguous(memory_format=layout)
