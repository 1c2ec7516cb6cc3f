"""ResViT against the published network, and what it adds to it."""

import hashlib

import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.resvit import ResViT

TINY = {
    "width": 4,
    "n_blocks": 3,
    "transformer_blocks": (1, 3),
    "embed_dim": 16,
    "depth": 2,
    "n_heads": 2,
    "mlp_dim": 24,
    "token_grid": (2, 2),
}
CASES = ["resvit_in1_out1", "resvit_in2_out1", "resvit_in3_out1", "resvit_in3_out3"]
CASES += [f"res_cnn_in{i}_out1" for i in (1, 2, 3)]
BATCH_CASES = ["resvit_in1_out1", "resvit_in2_out1", "res_cnn_in2_out1"]
QUICK = {"resvit_in3_out1", "res_cnn_in2_out1"}
STAGES = ("downsample", "embeddings", "upsample", "cc", "residual_cnn")


def marked(cases):
    return [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in cases]


def published(case: str, *, dropout: float = 0.1) -> ResViT:
    """Build the network of a golden case, e.g. "resvit_in3_out1"."""
    family, sizes = case.split("_in")
    in_channels, out_channels = map(int, sizes.split("_out"))
    blocks = (1, 6) if family == "resvit" else ()
    return ResViT(in_channels, out_channels, transformer_blocks=blocks, dropout=dropout)


def tiny(seed: int = 0, **options) -> ResViT:
    torch.manual_seed(seed)
    return ResViT(2, 1, **{**TINY, **options}).eval()


def record_stages(model: ResViT) -> dict[str, torch.Tensor]:
    """Fill the returned mapping with the stages of the next forward pass."""
    stages: dict[str, torch.Tensor] = {}
    blocks = iter(("art_1.transformer", "art_6.transformer"))

    def keep(name):
        return lambda _module, _inputs, output: stages.update({name: output})

    for name, module in model.named_modules():
        is_stage = name.count(".") == 0 or name.split(".", 1)[1] in STAGES
        if name and is_stage and name != "transformer_encoder":
            module.register_forward_hook(keep(name))
    if model.transformer_encoder is not None:
        model.transformer_encoder.register_forward_hook(
            lambda _module, _inputs, output: stages.update({next(blocks): output})
        )
    return stages


def thinned(stage: torch.Tensor) -> torch.Tensor:
    """Take the subsample of a stage that the golden files keep."""
    if stage.ndim == 3:
        return stage[0, ::16, ::16]
    steps = [max(1, n // 16) for n in stage.shape[1:]]
    return stage[0, :: steps[0], :: steps[1], :: steps[2]]


def assert_stages(stages, manifest, arrays, tolerance):
    assert stages.keys() == manifest["stages"].keys()
    for name, expected in manifest["stages"].items():
        first = stages[name].flatten()[:64].double()
        wanted = torch.tensor(expected["first64"]).double()
        assert_close(first, wanted, atol=tolerance, rtol=0, msg=lambda m, n=name: n + m)
        assert list(stages[name].shape) == expected["shape"]
        assert abs(stages[name].double().mean() - expected["mean"]) < tolerance
    for name, expected in arrays.items():
        found = thinned(stages[name])
        wanted = torch.from_numpy(expected)
        assert_close(found, wanted, atol=tolerance, rtol=0, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("case", CASES)
def test_keys_shapes_and_size_are_the_published_ones(golden, case):
    with torch.device("meta"):
        model = published(case)
    shapes = {key: tuple(v.shape) for key, v in model.state_dict().items()}

    assert shapes == golden.keys(case).shapes
    n_parameters = sum(p.numel() for p in model.parameters())
    assert n_parameters == golden.json("manifest_fwd")[case]["params"]


@pytest.mark.parametrize("case", marked(CASES))
def test_output_and_stages_equal_the_published_network(golden, case):
    manifest = golden.json("manifest_fwd")[case]
    model = published(case).eval()
    model.load_state_dict(golden.weights(case))
    stages = record_stages(model)
    has_stages = (golden.folder / f"stages_{case}.npz").exists()

    with torch.inference_mode():
        output = model(golden.image(model.encoder_1[1].in_channels))

    expected = torch.from_numpy(golden.arrays(f"output_{case}")["y"])
    assert_close(output, expected, atol=1e-5, rtol=0)
    arrays = golden.arrays(f"stages_{case}") if has_stages else {}
    assert_stages(stages, manifest, arrays, 1e-4)


@pytest.mark.parametrize("case", marked(CASES))
def test_weights_are_those_of_the_golden_run(golden, case):
    weights = golden.weights(case)
    digest = hashlib.sha256()
    for key, canonical in sorted(golden.keys(case).canonical.items()):
        digest.update(key.encode())
        digest.update(weights[canonical].numpy().data)

    assert digest.hexdigest() == golden.json("manifest_fwd")[case]["weights_sha256"]


@pytest.mark.parametrize("case", marked(BATCH_CASES))
def test_batch_statistics_equal_the_published_network(golden, case):
    manifest = golden.json("manifest_fwd")[f"{case}_batchstats"]
    model = published(case).eval()
    model.load_state_dict(golden.weights(case))
    set_norm_statistics(model, "batch")
    stages = record_stages(model)

    with torch.inference_mode():
        output = model(golden.image(model.encoder_1[1].in_channels))

    expected = torch.from_numpy(golden.arrays(f"output_{case}_batchstats")["y"])
    assert_close(output, expected, atol=3e-5, rtol=0)
    assert_stages(stages, manifest, {}, 1e-4)


@pytest.mark.parametrize("case", marked(BATCH_CASES))
def test_training_equals_the_published_network(golden, case):
    manifest = golden.json("manifest_fwd")[f"{case}_batchstats"]
    model = published(case, dropout=0.0).train()
    model.load_state_dict(golden.weights(case))

    with torch.inference_mode():
        output = model(golden.image(model.encoder_1[1].in_channels))

    expected = torch.from_numpy(golden.arrays(f"output_{case}_batchstats")["y"])
    assert_close(output, expected, atol=3e-5, rtol=0)
    statistics = model.state_dict()
    for key, after in manifest["running_after_one_forward"].items():
        first = statistics[key][:4].double()
        assert_close(
            first, torch.tensor(after["first4"]).double(), atol=1e-5, rtol=1e-5
        )


def test_attention_equals_the_published_network(golden):
    model = published("resvit_in3_out1").eval()
    model.load_state_dict(golden.weights("resvit_in3_out1"))
    maps: dict[str, list[torch.Tensor]] = {"art_1": [], "art_6": []}

    with torch.inference_mode():
        output = model(golden.image(3), lambda name, _, p: maps[name].append(p[0]))

    expected = golden.arrays("attention_resvit_in3_out1")
    found = torch.stack([torch.stack(layers) for layers in maps.values()])
    y = torch.from_numpy(golden.arrays("output_resvit_in3_out1")["y"])
    assert_close(output, y, atol=1e-5, rtol=0)
    rows = found[:, :, :, torch.from_numpy(expected["rows_index"])]
    entropy = torch.special.entr(found.double()).sum(-1).mean(-1)
    head_mean = found[:, [0, -1]].mean(2)
    received = found.mean((2, 3)).unflatten(-1, (16, 16))
    for ours, name in (
        (rows, "rows"),
        (entropy, "entropy"),
        (head_mean, "head_mean_first_last"),
        (received, "received"),
    ):
        wanted = torch.from_numpy(expected[name])
        assert_close(ours, wanted, atol=1e-5, rtol=0, msg=lambda m, n=name: n + m)


def test_recording_attention_does_not_change_the_output():
    model, image = tiny(), torch.rand(3, 2, 32, 48)
    seen = []

    with torch.inference_mode():
        recorded = model(image, lambda *report: seen.append(report))

        assert_close(recorded, model(image))
    assert [(name, layer) for name, layer, _ in seen] == [
        ("art_1", 0),
        ("art_1", 1),
        ("art_3", 0),
        ("art_3", 1),
    ]
    assert all(p.shape == (3, 2, 6, 6) for _, _, p in seen)


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (48, 80)])
def test_any_size_that_is_a_multiple_of_16_keeps_its_size(size):
    output = tiny()(torch.rand(1, 2, *size))

    assert output.shape == (1, 1, *size)
    assert output.abs().max() <= 1


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 16, got \(32, 40\)"):
        tiny()(torch.rand(1, 2, 32, 40))


def test_positions_matter_on_the_built_grid_and_on_others():
    model = tiny()
    for size in (32, 64):
        image = torch.rand(1, 2, size, size)
        torch.nn.init.zeros_(model.art_1.embeddings.positional_encoding)
        without = model(image)
        torch.nn.init.normal_(model.art_1.embeddings.positional_encoding)
        assert (model(image) - without).abs().max() > 1e-4


def test_blocks_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"from 1 to n_blocks 3, got \(1, 4\)"):
        tiny(transformer_blocks=(1, 4))


def test_own_transformers_are_several_and_equal_a_shared_one_with_equal_weights():
    shared, own = tiny(), tiny(share_transformer=False)
    state = shared.state_dict()
    for key in own.state_dict():
        _, _, rest = key.partition(".transformer.")
        if rest:
            state[key] = state[f"transformer_encoder.{rest}"]
    own.load_state_dict(
        {k: v for k, v in state.items() if not k.startswith("transformer_encoder.")}
    )
    image = torch.rand(1, 2, 32, 32)

    assert "art_3.transformer.encoder_norm.weight" in own.state_dict()
    assert_close(own(image), shared(image))


def test_a_shared_transformer_is_stored_once():
    keys = [key for key in tiny().state_dict() if "encoder_norm.weight" in key]

    assert keys == ["transformer_encoder.encoder_norm.weight"]


def test_without_transformers_there_are_none():
    model = tiny(transformer_blocks=())

    assert not any("transformer" in key or "cc" in key for key in model.state_dict())
    assert model(torch.rand(1, 2, 32, 32)).shape == (1, 1, 32, 32)


def test_slices_do_not_influence_each_other_with_batch_statistics():
    model = tiny()
    set_norm_statistics(model, "batch")
    images = torch.rand(3, 2, 32, 32) * torch.tensor([1.0, 2.0, 5.0]).view(3, 1, 1, 1)

    with torch.inference_mode():
        assert_close(model(images), torch.cat([model(i[None]) for i in images]))


def test_channels_last_changes_nothing():
    model, image = tiny(), torch.rand(2, 2, 32, 32)
    with torch.inference_mode():
        expected = model(image)
        model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)

        assert_close(model(image), expected, atol=1e-6, rtol=1e-5)


def test_every_parameter_learns():
    model = tiny().train()
    torch.nn.init.normal_(model.art_1.embeddings.positional_encoding)
    model(torch.rand(2, 2, 32, 32)).square().mean().backward()

    silent = [k for k, p in model.named_parameters() if p.grad is None]
    assert not silent
