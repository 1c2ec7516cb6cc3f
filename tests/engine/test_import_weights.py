"""Published checkpoints become packs; pre-training becomes a start."""

import json

import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.catalogue import get_card, read_pack
from napari_medsynth.engine import import_weights
from napari_medsynth.engine._read_checkpoint import canonical_state, read_state
from napari_medsynth.engine.import_weights import (
    import_checkpoint,
    infer_options,
    warm_start,
)
from napari_medsynth.engine.weights import load_model
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.models.patchgan import PatchGAN
from napari_medsynth.models.resvit import ResViT

SPELLINGS = ("transformer_encoder.", "art_1.transformer.", "art_2.transformer.")
SIZES = {
    "width": 4,
    "n_blocks": 2,
    "transformer_blocks": [1, 2],
    "embed_dim": 64,
    "depth": 2,
    "mlp_dim": 24,
    "token_grid": [3, 3],
}


def tiny(seed: int = 0, **options) -> ResViT:
    torch.manual_seed(seed)
    return ResViT(2, 1, **{**SIZES, "n_heads": 1, **options}).eval()


def official(model: ResViT, spellings=SPELLINGS) -> dict[str, torch.Tensor]:
    """Spell the shared transformer as the official code does: several times."""
    state = {}
    for key, tensor in model.state_dict().items():
        _, is_shared, rest = key.partition("transformer_encoder.")
        names = [s + rest for s in spellings] if is_shared else [key]
        state.update(dict.fromkeys(names, tensor))
    return state


def saved(folder, content, name="latest_net_G.pth"):
    torch.save(content, folder / name)
    return folder / name


@pytest.fixture
def in_process(monkeypatch):
    """Read checkpoints here: a child process takes seconds to import torch."""
    monkeypatch.setattr(
        import_weights,
        "read_checkpoint",
        lambda path: canonical_state(read_state(path)),
    )


def test_an_official_checkpoint_becomes_a_model_of_the_catalogue(models_home, tmp_path):
    path = saved(tmp_path, official(tiny()))
    image = torch.rand(2, 2, 48, 48)
    expected = tiny()
    set_norm_statistics(expected, "batch")

    pack = import_checkpoint(
        path, card_id="my-resvit", inputs=["T1", "T2"], outputs=["PD"], licence="MIT"
    )

    card = get_card("my-resvit")
    assert pack == models_home / "my-resvit.safetensors"
    assert (card.inputs, card.outputs) == (("T1", "T2"), ("PD",))
    assert (card.norm_statistics, card.licence) == ("batch", "MIT")
    assert card.parameters == sum(p.numel() for p in expected.parameters())
    assert_close(load_model(card)(image), expected(image))


def test_sizes_are_told_by_the_shapes():
    options = infer_options(tiny().state_dict(), name="x")

    assert options == {"in_channels": 2, "out_channels": 1, "n_heads": 1, **SIZES}
    stage = tiny(transformer_blocks=())
    assert infer_options(stage.state_dict(), name="x") == {
        "in_channels": 2,
        "out_channels": 1,
        "width": 4,
        "n_blocks": 2,
        "transformer_blocks": [],
    }


def test_positions_that_are_no_square_are_refused():
    state = tiny(token_grid=(2, 3)).state_dict()

    with pytest.raises(WeightsError, match="square grid, got 6 positions"):
        infer_options(state, name="x")


def test_published_sizes_are_told_by_the_shapes():
    with torch.device("meta"):
        state = ResViT(3, 1).state_dict()

    options = infer_options(state, name="x")

    assert (
        ResViT.__init__.__kwdefaults__.items()
        >= {
            "width": options["width"],
            "n_blocks": options["n_blocks"],
            "embed_dim": options["embed_dim"],
            "depth": options["depth"],
            "n_heads": options["n_heads"],
            "mlp_dim": options["mlp_dim"],
        }.items()
    )
    assert options["transformer_blocks"] == [1, 6]
    assert options["token_grid"] == [16, 16]


def test_the_pre_training_stage_is_imported_too(models_home, tmp_path, in_process):
    stage = tiny(transformer_blocks=())
    state = stage.state_dict()
    without_counters = {k: v for k, v in state.items() if "num_batches" not in k}
    target = tmp_path / "stage.safetensors"

    import_checkpoint(
        saved(tmp_path, without_counters),
        card_id="stage",
        inputs=["T1", "T2"],
        outputs=["PD"],
        norm_statistics="running",
        output=target,
    )

    card = read_pack(target).card
    assert card.options["transformer_blocks"] == []
    assert card.norm_statistics == "running"


def test_modalities_must_be_named(models_home, tmp_path, in_process):
    path = saved(tmp_path, tiny().state_dict())

    with pytest.raises(WeightsError, match=r"has 2 inputs: name their .* got none"):
        import_checkpoint(path, card_id="a")
    with pytest.raises(WeightsError, match=r"has 1 outputs: .*, got T1, T2\."):
        import_checkpoint(path, card_id="a", inputs=["T1", "T2"], outputs=["T1", "T2"])


def test_an_id_is_not_taken_twice(models_home, tmp_path, in_process):
    path = saved(tmp_path, tiny().state_dict())
    names = {"inputs": ["T1", "T2"], "outputs": ["PD"]}
    import_checkpoint(path, card_id="twice", **names)

    with pytest.raises(CardError, match="twice is taken"):
        import_checkpoint(path, card_id="twice", **names)
    import_checkpoint(path, card_id="twice", replace=True, **names)


def test_a_discriminator_is_recognised(models_home, tmp_path, in_process):
    path = saved(tmp_path, PatchGAN(2, width=2).state_dict(), "latest_net_D.pth")

    with pytest.raises(
        WeightsError, match=r"latest_net_D.pth cannot be used: .*discriminator"
    ):
        import_checkpoint(path, card_id="d", inputs=["T1"], outputs=["T2"])


def test_wrong_keys_and_shapes_are_named(models_home, tmp_path, in_process):
    state = tiny().state_dict()
    del state["art_1.cc.skip.0.weight"]
    state["encoder_2.0.weight"] = torch.zeros(8, 4, 5, 5)
    names = {"inputs": ["T1", "T2"], "outputs": ["PD"]}

    with pytest.raises(
        WeightsError,
        match=r"1 missing: art_1.cc.skip.0.weight; 1 of another shape: "
        r"encoder_2.0.weight 8x4x5x5 instead of 8x4x3x3",
    ):
        import_checkpoint(saved(tmp_path, state), card_id="a", **names)
    assert not models_home.exists()


def test_diverged_weights_are_refused(models_home, tmp_path, in_process):
    state = tiny().state_dict()
    state["decoder_3.1.bias"] = torch.tensor([float("nan")])

    with pytest.raises(WeightsError, match=r"not finite in decoder_3.1.bias; its"):
        import_checkpoint(
            saved(tmp_path, state), card_id="a", inputs=["T1", "T2"], outputs=["PD"]
        )


def test_sizes_that_the_file_does_not_hold_take_no_memory(
    models_home, tmp_path, in_process
):
    state = tiny().state_dict()
    for block in (1, 2):
        state[f"art_{block}.embeddings.positional_encoding"] = torch.zeros(1, 9, 64000)

    with pytest.raises(WeightsError, match="of another shape: transformer_encoder"):
        import_checkpoint(
            saved(tmp_path, state), card_id="a", inputs=["T1", "T2"], outputs=["PD"]
        )


def test_a_warm_start_copies_the_stage_and_keeps_the_transformers():
    stage, model = tiny(1, transformer_blocks=()), tiny(2)
    before = {key: v.clone() for key, v in model.state_dict().items()}

    warm_start(model, stage.state_dict())

    for key, tensor in model.state_dict().items():
        source = stage.state_dict().get(key, before[key])
        assert torch.equal(tensor, source), key
    assert not torch.equal(model.encoder_1[1].weight, before["encoder_1.1.weight"])


def test_a_warm_start_of_other_sizes_is_refused():
    with pytest.raises(WeightsError, match="pre-training stage do not fit ResViT"):
        warm_start(tiny(), tiny(transformer_blocks=(), width=8).state_dict())
    incomplete = tiny(transformer_blocks=()).state_dict()
    del incomplete["decoder_1.0.weight"]
    with pytest.raises(WeightsError, match=r"1 missing: decoder_1\.0\.weight"):
        warm_start(tiny(), incomplete)


@pytest.mark.slow
def test_the_published_checkpoint_is_imported_whole(models_home, tmp_path, shared):
    """Names and shapes of the official state dict, 812 entries for 424 tensors."""
    folder = shared / "golden" / "resvit"
    listed = json.loads((folder / "keys_resvit_in2_out1.json").read_text())
    tensors = {}
    for entry in listed.values():
        generator = torch.Generator().manual_seed(len(tensors))
        shape = entry["shape"]
        value = (
            torch.zeros((), dtype=torch.int64)
            if entry["dtype"] == "int64"
            else torch.rand(shape, generator=generator)
        )
        tensors.setdefault(entry["canonical"], value)
    path = saved(tmp_path, {k: tensors[e["canonical"]] for k, e in listed.items()})

    import_checkpoint(path, card_id="whole", inputs=["T2", "PD"], outputs=["T1"])

    card = get_card("whole")
    assert card.parameters == 123_444_673
    state = load_model(card).state_dict()
    assert state.keys() == tensors.keys()
    assert all(torch.equal(state[key], value) for key, value in tensors.items())


def test_the_published_stage_fits_the_network_with_transformers(shared):
    """All 140 tensors of the stage are in the network with transformers."""
    folder = shared / "golden" / "resvit"
    listed = json.loads((folder / "keys_res_cnn_in2_out1.json").read_text())
    with torch.device("meta"):
        model = ResViT(2, 1)
    shapes = {key: list(v.shape) for key, v in model.state_dict().items()}

    assert len(listed) == 140
    assert all(shapes[key] == entry["shape"] for key, entry in listed.items())
