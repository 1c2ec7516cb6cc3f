"""Checkpoints of unknown origin: what is read, and what is refused."""

import os
import subprocess

import pytest
import torch
from safetensors.torch import load_file

from napari_medsynth.engine import import_weights
from napari_medsynth.engine._read_checkpoint import (
    REFUSED,
    canonical_state,
    main,
    read_state,
)
from napari_medsynth.engine.import_weights import read_checkpoint
from napari_medsynth.errors import WeightsError

SPELLINGS = ("transformer_encoder.", "art_1.transformer.", "art_6.transformer.")


def tiny_state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    names = {
        "encoder_1.1.weight": (2, 1, 7, 7),
        "art_1.residual_cnn.0.conv_block.1.weight": (2, 2, 3, 3),
        "transformer_encoder.layer.1.ffn.fc2.bias": (3000,),
        "transformer_encoder.encoder_norm.weight": (8,),
    }
    return {name: torch.rand(n, generator=generator) for name, n in names.items()}


def official(spellings=SPELLINGS) -> dict[str, torch.Tensor]:
    """Spell the shared transformer as the official code does: several times."""
    state = {}
    for key, tensor in tiny_state().items():
        _, is_shared, rest = key.partition("transformer_encoder.")
        names = [s + rest for s in spellings] if is_shared else [key]
        state.update(dict.fromkeys(names, tensor))
    return state


def saved(folder, content):
    torch.save(content, folder / "latest_net_G.pth")
    return folder / "latest_net_G.pth"


def read_here(path):
    return canonical_state(read_state(path))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_one_spelling_of_the_shared_transformer_will_do(tmp_path, spelling):
    state = read_here(saved(tmp_path, official([spelling])))

    assert state.keys() == tiny_state().keys()
    assert all(torch.equal(state[k], v) for k, v in tiny_state().items())


def test_spellings_that_differ_are_refused(tmp_path):
    state = official()
    key = "art_6.transformer.layer.1.ffn.fc2.bias"
    state[key] = state[key] + 1e-3

    with pytest.raises(WeightsError, match=f"{key} differs from another copy"):
        read_here(saved(tmp_path, state))


def test_wrapped_and_parallel_state_dicts_are_read(tmp_path):
    state = {f"module.{key}": v for key, v in tiny_state().items()}

    read = read_here(saved(tmp_path, {"state_dict": state, "epoch": 3}))

    assert read.keys() == tiny_state().keys()


class Hostile:
    """Its pickle runs a command when it is opened carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_does_not_run(tmp_path):
    trap = tmp_path / "sprung"
    path = saved(tmp_path, {"weight": Hostile(str(trap))})

    with pytest.raises(WeightsError, match="would run code when it is opened"):
        read_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04" + b"x" * 99]
)
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)

    with pytest.raises(WeightsError, match=r"broken\.pth"):
        read_here(path)


def test_truncated_files_are_refused(tmp_path):
    path = saved(tmp_path, tiny_state())
    path.write_bytes(path.read_bytes()[:-5000])

    with pytest.raises(WeightsError, match="damaged or no torch checkpoint"):
        read_here(path)


def test_files_without_tensors_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"tensors only, but epoch is none"):
        read_here(saved(tmp_path, {"epoch": 3, "weight": torch.zeros(1)}))
    with pytest.raises(WeightsError, match="holds no named tensors"):
        read_here(saved(tmp_path, torch.zeros(2)))


def test_refusals_of_the_child_process_reach_the_caller(tmp_path):
    path = saved(tmp_path, {"epoch": 3, "weight": torch.zeros(1)})

    with pytest.raises(
        WeightsError, match=r"^latest_net_G.pth needs tensors only, .*\.$"
    ):
        read_checkpoint(path)


def test_a_child_process_that_dies_is_one_sentence(tmp_path, monkeypatch):
    def killed(command, **_options):
        return subprocess.CompletedProcess(command, returncode=-9, stderr="")

    monkeypatch.setattr(import_weights.subprocess, "run", killed)

    with pytest.raises(WeightsError, match=r"ended with status -9; get the file again"):
        read_checkpoint(saved(tmp_path, {"weight": torch.zeros(1)}))


def test_a_child_process_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(import_weights, "PATIENCE", 0.01)

    with pytest.raises(WeightsError, match=r"took more than 0.01 s"):
        read_checkpoint(saved(tmp_path, {"weight": torch.zeros(1)}))


def test_tensors_larger_than_their_file_are_refused(tmp_path):
    path = saved(tmp_path, {"weight": torch.zeros(1).expand(1000, 1000, 1000)})

    with pytest.raises(
        WeightsError, match="claims 4000000000 bytes of tensors and has"
    ):
        read_here(path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.pth is no file"):
        read_checkpoint(tmp_path / "nothing.pth")


def test_the_child_writes_plain_tensors_or_says_why_not(tmp_path, capsys):
    source, target = saved(tmp_path, official()), tmp_path / "state.safetensors"

    assert main([str(source), str(target)]) == 0
    assert load_file(target).keys() == tiny_state().keys()

    saved(tmp_path, {})
    assert main([str(source), str(target)]) == REFUSED
    assert "holds no named tensors" in capsys.readouterr().err
