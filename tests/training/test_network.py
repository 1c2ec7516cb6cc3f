"""The network of a job and where its first weights come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from napari_medsynth.catalogue import ModelPack, build_model, write_pack
from napari_medsynth.engine.weights import state_to_numpy
from napari_medsynth.errors import CardError, WeightsError
from napari_medsynth.models.resvit import ResViT
from napari_medsynth.training import DataConfig, NetworkConfig, TrainJob, read_job
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.network import start_network

EMBED_DIM, HEADS, HIDDEN = 8, 2, 12
OPTIONS = {
    "width": 1,
    "n_blocks": 2,
    "transformer_blocks": [1],
    "embed_dim": EMBED_DIM,
    "depth": 2,
    "n_heads": HEADS,
    "mlp_dim": HIDDEN,
    "token_grid": [3, 3],
}


def job_of(**changes) -> TrainJob:
    options = {**OPTIONS, **changes.pop("options", {})}
    network = NetworkConfig(options=options, inputs=("T1",), outputs=("T2",))
    transformer = changes.pop("transformer", "")
    return TrainJob(
        id="tiny",
        title="Tiny",
        network=replace(network, transformer=transformer),
        data=DataConfig(simulated_share=1),
        **changes,
    )


def written(path: Path, job: TrainJob) -> ModelPack:
    """Write a pack with random weights of the network of `job`."""
    torch.manual_seed(99)
    card = fresh_card(job, job.network)
    return write_pack(path, card, state_to_numpy(build_model(card).state_dict()))


def write_vit(path: Path) -> dict[str, np.ndarray]:
    """Write random arrays with the names of Google's file and small shapes."""
    rng, head = np.random.default_rng(3), (HEADS, EMBED_DIM // HEADS)
    shapes: dict[str, tuple[int, ...]] = {
        "embedding/kernel": (1, 1, 16, EMBED_DIM),
        "embedding/bias": (EMBED_DIM,),
        "Transformer/posembed_input/pos_embedding": (1, 10, EMBED_DIM),
        "Transformer/encoder_norm/scale": (EMBED_DIM,),
        "Transformer/encoder_norm/bias": (EMBED_DIM,),
    }
    for block in ("Transformer/encoderblock_0", "Transformer/encoderblock_1"):
        attention = f"{block}/MultiHeadDotProductAttention_1"
        for name in ("query", "key", "value"):
            shapes[f"{attention}/{name}/kernel"] = (EMBED_DIM, *head)
            shapes[f"{attention}/{name}/bias"] = head
        shapes[f"{attention}/out/kernel"] = (*head, EMBED_DIM)
        shapes[f"{attention}/out/bias"] = (EMBED_DIM,)
        for name, sizes in {
            "MlpBlock_3/Dense_0": (EMBED_DIM, HIDDEN),
            "MlpBlock_3/Dense_1": (HIDDEN, EMBED_DIM),
        }.items():
            shapes[f"{block}/{name}/kernel"] = sizes
            shapes[f"{block}/{name}/bias"] = sizes[1:]
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            shapes[f"{block}/{norm}/scale"] = (EMBED_DIM,)
            shapes[f"{block}/{norm}/bias"] = (EMBED_DIM,)
    arrays = {k: rng.normal(size=v).astype(np.float32) for k, v in shapes.items()}
    np.savez(path, **arrays)
    return arrays


def test_a_vit_fills_the_transformer(tmp_path):
    path = tmp_path / "vit.npz"
    arrays = write_vit(path)

    _, model = start_network(job_of(transformer=str(path)))

    assert isinstance(model, ResViT)
    ours = model.transformer_encoder.layer[1].ffn.fc1.weight
    kernel = arrays["Transformer/encoderblock_1/MlpBlock_3/Dense_0/kernel"]
    assert_close(ours.detach(), torch.from_numpy(kernel.T))


def test_a_vit_without_a_transformer_is_refused(tmp_path):
    job = job_of(transformer="vit.npz", options={"transformer_blocks": []})

    with pytest.raises(CardError, match="needs a network with transformer_blocks"):
        start_network(job)


def test_a_vit_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.npz does not exist"):
        start_network(job_of(transformer=str(tmp_path / "nothing.npz")))


def test_the_path_of_a_vit_starts_at_the_file_of_the_job(tmp_path, monkeypatch):
    monkeypatch.setenv("VITS", str(tmp_path / "vits"))
    toml = tmp_path / "job.toml"
    text = 'id = "a"\ntitle = "A"\n[data]\nsimulated_share = 1.0\n[network]\n'

    for entry, expected in {
        "vit.npz": tmp_path / "vit.npz",
        "$VITS/vit.npz": tmp_path / "vits" / "vit.npz",
    }.items():
        toml.write_text(text + f'transformer = "{entry}"\n')
        network = read_job(toml).network
        assert network is not None
        assert network.transformer == str(expected)


def test_the_second_stage_starts_from_the_first_and_a_vit(tmp_path):
    first = job_of(options={"transformer_blocks": []})
    pack = written(tmp_path / "first.safetensors", first)
    arrays = write_vit(tmp_path / "vit.npz")

    job = job_of(base=str(pack.path), transformer=str(tmp_path / "vit.npz"))
    _, model = start_network(job)

    state = model.state_dict()
    for name, array in pack.weights().items():
        assert_close(state[name], torch.from_numpy(np.array(array)), msg=name)
    scale = arrays["Transformer/encoder_norm/scale"]
    assert_close(state["transformer_encoder.encoder_norm.weight"].numpy(), scale)


def test_a_base_of_which_nothing_fits_is_refused(tmp_path):
    other = job_of(options={"width": 3, "embed_dim": 6, "mlp_dim": 7, "depth": 1})
    pack = written(tmp_path / "other.safetensors", other)

    with pytest.raises(WeightsError, match="No weight of Tiny fits"):
        start_network(job_of(base=str(pack.path)))


def test_without_a_network_the_base_is_copied_whole(tmp_path):
    pack = written(tmp_path / "base.safetensors", job_of())
    job = replace(job_of(base=str(pack.path)), id="tuned", network=None)

    card, model = start_network(job)

    assert (card.id, card.inputs, card.sha256) == ("tuned", ("T1",), "")
    for name, array in pack.weights().items():
        assert_close(model.state_dict()[name], torch.from_numpy(np.array(array)))
