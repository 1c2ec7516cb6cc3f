"""Google's hybrid ViT fills the transformers of a ResViT."""

import json
import zlib

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.engine.import_vit import load_vit_npz
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.resvit import ResViT

EMBED_DIM, HEADS, HIDDEN = 8, 2, 12


def tiny(**options) -> ResViT:
    torch.manual_seed(0)
    sizes = {
        "width": 1,
        "n_blocks": 2,
        "transformer_blocks": (1, 2),
        "embed_dim": EMBED_DIM,
        "depth": 2,
        "n_heads": HEADS,
        "mlp_dim": HIDDEN,
        "token_grid": (3, 5),
    }
    return ResViT(1, 1, **{**sizes, **options}).eval()


def vit_arrays(depth: int = 3, grid: int = 3) -> dict[str, np.ndarray]:
    """Random arrays with the names of Google's file and small shapes."""
    head = (HEADS, EMBED_DIM // HEADS)
    shapes = {
        "cls": (1, 1, EMBED_DIM),
        "embedding/kernel": (1, 1, 16, EMBED_DIM),
        "embedding/bias": (EMBED_DIM,),
        "Transformer/posembed_input/pos_embedding": (1, grid * grid + 1, EMBED_DIM),
        "Transformer/encoder_norm/scale": (EMBED_DIM,),
        "Transformer/encoder_norm/bias": (EMBED_DIM,),
    }
    for i in range(depth):
        block = f"Transformer/encoderblock_{i}"
        attention = f"{block}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            shapes[f"{attention}/{name}/kernel"] = (EMBED_DIM, *head)
            shapes[f"{attention}/{name}/bias"] = head
        shapes |= {
            f"{attention}/out/kernel": (*head, EMBED_DIM),
            f"{attention}/out/bias": (EMBED_DIM,),
            f"{block}/MlpBlock_3/Dense_0/kernel": (EMBED_DIM, HIDDEN),
            f"{block}/MlpBlock_3/Dense_0/bias": (HIDDEN,),
            f"{block}/MlpBlock_3/Dense_1/kernel": (HIDDEN, EMBED_DIM),
            f"{block}/MlpBlock_3/Dense_1/bias": (EMBED_DIM,),
        }
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            shapes[f"{block}/{norm}/scale"] = (EMBED_DIM,)
            shapes[f"{block}/{norm}/bias"] = (EMBED_DIM,)
    return {name: synthetic(name, shape) for name, shape in shapes.items()}


def synthetic(name: str, shape) -> np.ndarray:
    """Make the array that the golden mapping was checked with."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return generator.standard_normal(tuple(shape)).astype(np.float32)


def saved(folder, arrays):
    path = folder / "R50+ViT-B_16.npz"
    np.savez(path, **arrays)
    return path


def test_attention_maps_as_the_flax_layers_do(tmp_path):
    model, arrays = tiny(), vit_arrays()
    load_vit_npz(model, saved(tmp_path, arrays))
    token = torch.randn(EMBED_DIM)
    prefix = "Transformer/encoderblock_1/MultiHeadDotProductAttention_1"
    attention = model.transformer_encoder.layer[1].attn

    kernel, bias = (arrays[f"{prefix}/query/{n}"] for n in ("kernel", "bias"))
    query = np.einsum("e,ehd->hd", token.numpy(), kernel) + bias
    assert_close(attention.query(token), torch.from_numpy(query).flatten())
    kernel, bias = (arrays[f"{prefix}/out/{n}"] for n in ("kernel", "bias"))
    heads = token.view(HEADS, -1)
    out = np.einsum("hd,hde->e", heads.numpy(), kernel) + bias
    assert_close(attention.out(token), torch.from_numpy(out))


def test_feed_forward_norms_and_embedding_map_as_the_flax_layers_do(tmp_path):
    model, arrays = tiny(), vit_arrays()
    load_vit_npz(model, saved(tmp_path, arrays))
    token = torch.randn(EMBED_DIM)
    block = "Transformer/encoderblock_0"
    layer = model.transformer_encoder.layer[0]

    kernel = arrays[f"{block}/MlpBlock_3/Dense_0/kernel"]
    hidden = token.numpy() @ kernel + arrays[f"{block}/MlpBlock_3/Dense_0/bias"]
    assert_close(layer.ffn.fc1(token), torch.from_numpy(hidden))
    scale = torch.from_numpy(arrays[f"{block}/LayerNorm_2/scale"])
    assert_close(layer.ffn_norm.weight.data, scale)
    pixel = torch.randn(1, 16, 1, 1)
    kernel = arrays["embedding/kernel"][0, 0]
    embedded = pixel.flatten().numpy() @ kernel + arrays["embedding/bias"]
    for block in (model.art_1, model.art_2):
        found = block.embeddings.patch_embeddings(pixel).flatten()
        assert_close(found, torch.from_numpy(embedded))


def test_the_class_token_is_dropped_and_positions_are_resampled(tmp_path):
    model, arrays = tiny(), vit_arrays()
    load_vit_npz(model, saved(tmp_path, arrays))

    grid = arrays["Transformer/posembed_input/pos_embedding"][0, 1:].reshape(3, 3, -1)
    expected = np.empty((3, 5, EMBED_DIM), np.float32)
    expected[:, ::2] = grid
    expected[:, 1::2] = (grid[:, :-1] + grid[:, 1:]) / 2
    for block in (model.art_1, model.art_2):
        found = block.embeddings.positional_encoding.data[0].view(3, 5, -1)
        assert_close(found, torch.from_numpy(expected))


def test_everything_else_keeps_its_value(tmp_path):
    model = tiny()
    before = {key: v.clone() for key, v in model.state_dict().items()}
    load_vit_npz(model, saved(tmp_path, vit_arrays()))

    changed = {
        k for k, v in model.state_dict().items() if not torch.equal(v, before[k])
    }
    assert all("transformer_encoder" in k or "embeddings" in k for k in changed)
    assert len(changed) == 2 * 16 + 2 + 2 * 3


def test_each_own_transformer_is_filled(tmp_path):
    model = tiny(share_transformer=False)
    load_vit_npz(model, saved(tmp_path, vit_arrays()))

    first, second = (b.transformer.state_dict() for b in (model.art_1, model.art_2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_model_without_transformers_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no transformer to fill"):
        load_vit_npz(tiny(transformer_blocks=()), saved(tmp_path, vit_arrays()))


def test_a_shallower_file_is_refused(tmp_path):
    with pytest.raises(
        WeightsError, match=r"lacks 16 of \d+ arrays \(Transformer/encoderblock_1/"
    ):
        load_vit_npz(tiny(), saved(tmp_path, vit_arrays(depth=1)))


def test_another_size_is_refused_before_anything_changes(tmp_path):
    model = tiny(width=2)
    before = {key: v.clone() for key, v in model.state_dict().items()}

    with pytest.raises(
        WeightsError, match=r"embedding/kernel has shape \(1, 1, 16, 8\)"
    ):
        load_vit_npz(model, saved(tmp_path, vit_arrays()))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 6, EMBED_DIM), (1, 1, EMBED_DIM), (5,), ()])
def test_positions_that_are_no_square_grid_are_refused(tmp_path, shape):
    arrays = vit_arrays()
    name = "Transformer/posembed_input/pos_embedding"
    arrays[name] = synthetic(name, shape) if shape else np.array("text")

    with pytest.raises(WeightsError, match="pos_embedding has shape"):
        load_vit_npz(tiny(), saved(tmp_path, arrays))


@pytest.mark.parametrize(
    "content", [b"", b"<html>quota exceeded</html>", b"PK\x03\x04xx"]
)
def test_a_failed_download_is_named(tmp_path, content):
    path = tmp_path / "R50+ViT-B_16.npz"
    path.write_bytes(content)

    with pytest.raises(WeightsError, match="a failed download, perhaps"):
        load_vit_npz(tiny(), path)


def test_a_truncated_download_is_named(tmp_path):
    path = saved(tmp_path, vit_arrays())
    path.write_bytes(path.read_bytes()[:-3000])

    with pytest.raises(WeightsError, match="a failed download, perhaps"):
        load_vit_npz(tiny(), path)


def test_pickled_objects_are_refused(tmp_path):
    arrays = vit_arrays()
    arrays["embedding/bias"] = np.array([{"code": 1}] * EMBED_DIM, dtype=object)

    with pytest.raises(WeightsError, match=r"not a whole \.npz"):
        load_vit_npz(tiny(), saved(tmp_path, arrays))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        load_vit_npz(tiny(), tmp_path / "none.npz")


@pytest.mark.slow
def test_every_array_of_the_published_file_finds_its_tensor(tmp_path, shared):
    """All 358 names and shapes; 197 are read into 200 tensors, bit for bit."""
    folder = shared / "golden" / "resvit"
    listed = json.loads((folder / "npz_R50+ViT-B_16_arrays.json").read_text())
    rules = json.loads((folder / "load_from_mapping.json").read_text())["rules"]
    read = {rule["from"] for rule in rules.values()}
    arrays = {
        name: synthetic(name, entry["shape"])
        if name in read
        else np.zeros(entry["shape"], np.float32)
        for name, entry in listed.items()
    }
    model = ResViT(2, 1)
    before = {key: v.clone() for key, v in model.state_dict().items()}

    load_vit_npz(model, saved(tmp_path, arrays))

    state = model.state_dict()
    assert (len(listed), len(read), len(rules)) == (358, 197, 200)
    assert {k for k, v in state.items() if not torch.equal(v, before[k])} == set(rules)
    with np.load(folder / "posenc_zoom_14_to_16.npz") as file:
        positions = torch.from_numpy(file["channel_0_8"])
    for key, rule in rules.items():
        array = torch.from_numpy(arrays[rule["from"]])
        if key.endswith(".positional_encoding"):
            assert_close(state[key][0, :, :8], positions, atol=1e-5, rtol=0)
            continue
        if key.endswith(".patch_embeddings.weight"):
            array = array[0, 0].T[:, :, None, None]
        elif key.endswith(".weight") and array.ndim > 1:
            array = array.reshape(state[key].shape[::-1]).T
        assert torch.equal(state[key], array.reshape(state[key].shape)), key
