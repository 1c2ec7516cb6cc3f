import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import predict
from napari_medsynth.engine.attention import AttentionRecorder, token_grid
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.io import Study, Volume
from napari_medsynth.models.resvit import ResViT

CARD = ModelCard(
    id="looker",
    family="resvit",
    task="synthesis",
    title="Looker",
    factory="tests:Looker",
    inputs=("T1",),
    outputs=("T2",),
    size_multiple=8,
)


def attentions(rng, *, layers=3, n=2, heads=4, tokens=6):
    raw = rng.random((layers, n, heads, tokens, tokens))
    return raw / raw.sum(axis=-1, keepdims=True)


def record(recorder, block, probabilities):
    for layer, matrix in enumerate(probabilities):
        recorder(block, layer, torch.tensor(matrix, dtype=torch.float32))


def run(generator):
    """Exhaust a generator and give what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def test_each_kind_is_its_matrix_product_averaged_over_queries(rng):
    probabilities = attentions(rng)
    recorder = AttentionRecorder(("rollout", "chain", "mean"))
    record(recorder, "art_1", probabilities)
    found = recorder.take()

    for sample in range(2):
        layers = probabilities[:, sample].mean(axis=1)
        rollout = chain = np.eye(6)
        for matrix in layers:  # the last layer ends up on the left
            rollout = 0.5 * (matrix + np.eye(6)) @ rollout
            chain = matrix @ chain
        expected = {
            "rollout art_1": rollout.mean(axis=0),
            "chain art_1": chain.mean(axis=0),
            "mean art_1": layers.mean(axis=(0, 1)),
        }
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name][sample], values, rtol=1e-5)


def test_attention_of_a_slice_sums_to_one(rng):
    recorder = AttentionRecorder(("rollout", "chain", "mean"))
    record(recorder, "art_6", attentions(rng))

    for tokens in recorder.take().values():
        np.testing.assert_allclose(tokens.sum(axis=1), 1.0, rtol=1e-5)


def test_blocks_are_told_apart_and_a_batch_is_forgotten_once_taken(rng):
    recorder = AttentionRecorder(("mean",))
    for block in ("art_1", "art_6"):
        record(recorder, block, attentions(rng))

    assert set(recorder.take()) == {"mean art_1", "mean art_6"}
    assert recorder.take() == {}


def test_half_precision_is_averaged_in_float32(rng):
    probabilities = attentions(rng, heads=64, tokens=4)
    recorder = AttentionRecorder(("mean",))
    for layer, matrix in enumerate(probabilities):
        recorder("art_1", layer, torch.tensor(matrix, dtype=torch.bfloat16))

    found = recorder.take()["mean art_1"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, probabilities.mean(axis=(0, 2, 3)), atol=2e-3)


def test_an_unknown_kind_is_refused():
    with pytest.raises(EngineError, match="rollout, chain, mean, got 'heatmap'"):
        AttentionRecorder(("heatmap",))


def test_tokens_must_tile_the_slice():
    assert token_grid(12, (48, 64)) == (3, 4)
    with pytest.raises(EngineError, match="does not tile"):
        token_grid(7, (48, 64))


class Looker(nn.Module):
    """Copies its input; every query looks at the brightest 8 x 8 patch alone."""

    def forward(self, image, on_attention=None):
        if on_attention is not None:
            patches = nn.functional.avg_pool2d(image, 8)[:, 0].flatten(1)
            row = torch.zeros_like(patches)
            row[torch.arange(len(row)), patches.argmax(dim=1)] = 1.0
            n, tokens = row.shape
            on_attention("art_1", 0, row[:, None, None].expand(n, 2, tokens, tokens))
        return image


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("spacing", [None, 2.0])
def test_the_brightest_spot_is_seen_where_it_lies(plane, spacing, rng):
    data = np.zeros((1, 21, 26, 30), np.float32)
    spot = np.array([13, 9, 18])
    z, y, x = spot
    data[:, z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 100.0
    volume = Volume(
        data, spacing=(1.5, 1.0, 1.2), origin=(-30.0, 12.0, 5.0), modality="T1"
    )
    card = ModelCard.from_json(CARD.to_json() | {"spacing": spacing})
    result = run(
        predict(
            Study({"T1": volume}),
            card,
            plane=plane,
            attention=("mean",),
            model=Looker(),
        )
    )

    seen = result.attention["mean art_1"]
    axis = ("axial", "coronal", "sagittal").index(plane)
    slices = np.moveaxis(seen.data[0], axis, 0)
    peak = np.unravel_index(slices[spot[axis]].argmax(), slices.shape[1:])
    index = np.insert(np.array(peak), axis, spot[axis])
    centre = seen.origin + index * np.array(seen.spacing)
    wanted = volume.origin + spot * np.array(volume.spacing)
    reach = np.array(seen.spacing) / 2 + np.array(volume.spacing)
    assert np.all(np.abs(centre - wanted) <= reach)
    assert slices.shape[0] == volume.shape[axis]
    assert seen.spacing[axis] == volume.spacing[axis]


def test_token_cells_cover_the_padded_slice_exactly(volume):
    result = run(
        predict(Study({"T1": volume}), CARD, attention=("mean",), model=Looker())
    )

    seen = result.attention["mean art_1"]
    assert seen.data.shape == (1, 6, 5, 5)  # 40 x 36 padded to 40 x 40
    np.testing.assert_allclose(seen.spacing, (3.0, 8.0, 9.6))
    # In x the padding is 2 pixels on each side; the first centre is pixel 3.5 - 2.
    np.testing.assert_allclose(seen.origin, (-10.0, 5.0 + 3.5, 7.0 + 1.5 * 1.2))


def test_an_oblique_grid_keeps_its_direction(volume):
    angle = np.radians(20)
    turned = np.array(
        [
            [1, 0, 0],
            [0, np.cos(angle), -np.sin(angle)],
            [0, np.sin(angle), np.cos(angle)],
        ]
    )
    oblique = volume.with_data(volume.data, direction=turned)
    result = run(
        predict(Study({"T1": oblique}), CARD, attention=("mean",), model=Looker())
    )

    seen = result.attention["mean art_1"]
    expected = np.array(volume.origin) + turned @ [0, 3.5, 1.5 * 1.2]
    np.testing.assert_allclose(seen.origin, expected)
    np.testing.assert_array_equal(seen.direction, turned)


def test_a_range_gives_a_volume_of_that_range(volume):
    result = run(
        predict(
            Study({"T1": volume}),
            CARD,
            slices=(2, 4),
            attention=("mean",),
            model=Looker(),
        )
    )

    seen = result.attention["mean art_1"]
    assert seen.shape[0] == 3
    assert seen.origin[0] == volume.origin[0] + 2 * volume.spacing[0]
    np.testing.assert_allclose(seen.data.sum(axis=(0, 2, 3)), [1, 0, 1])


def test_recording_changes_the_image_by_rounding_only(study):
    names = ("T1", "T2", "PD", "FLAIR")
    card = ModelCard.from_json(
        CARD.to_json()
        | {"inputs": names, "outputs": names, "is_unified": True, "size_multiple": 16}
    )
    torch.manual_seed(0)
    model = ResViT(
        4, 4, width=4, n_blocks=2, embed_dim=8, depth=2, n_heads=2, mlp_dim=8,
        transformer_blocks=(1, 2), token_grid=(2, 2),
    )  # fmt: skip
    results = [
        run(predict(study, card, targets=("FLAIR",), attention=kinds, model=model))
        for kinds in ((), ("rollout", "chain"))
    ]

    images = [result.volumes["FLAIR"].data for result in results]
    np.testing.assert_allclose(images[0], images[1], atol=1e-2)
    assert results[0].attention == {}
    assert set(results[1].attention) == {
        f"{kind} art_{block}" for kind in ("rollout", "chain") for block in (1, 2)
    }


@pytest.mark.parametrize("model", [nn.Identity(), "res_cnn"])
def test_a_model_without_attention_is_refused(model, volume):
    if model == "res_cnn":
        model = ResViT(1, 1, width=2, n_blocks=1, transformer_blocks=())
    card = ModelCard.from_json(CARD.to_json() | {"size_multiple": 16})
    with pytest.raises(CardError, match=r"has no (attention|transformer)"):
        run(predict(Study({"T1": volume}), card, attention=("rollout",), model=model))


@pytest.mark.slow
def test_maps_equal_those_of_the_published_network(shared, monkeypatch):
    folder = shared / "golden" / "resvit"
    monkeypatch.syspath_prepend(str(folder))
    recipe = pytest.importorskip("recipe")
    golden = np.load(folder / "attention_resvit_in3_out1.npz")
    model = ResViT(3, 1).eval()
    state = {
        key: torch.from_numpy(recipe.make(key, tensor.shape))
        for key, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    image = torch.from_numpy(np.load(folder / "input_c3.npz")["x"].astype(np.float32))
    recorder = AttentionRecorder(("rollout", "chain", "mean"))
    with torch.inference_mode():
        model(image.reshape(1, 3, 256, 256), on_attention=recorder)
    found = recorder.take()

    expected = {
        "rollout": golden["rollout_half_identity"],
        "chain": golden["chain_no_identity"],
        "mean": golden["received"].mean(axis=1),
    }
    for kind, maps in expected.items():
        for block, values in zip(("art_1", "art_6"), maps, strict=True):
            np.testing.assert_allclose(
                found[f"{kind} {block}"].reshape(16, 16), values, atol=1e-6, rtol=1e-4
            )
