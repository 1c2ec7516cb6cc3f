import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from napari_medsynth.catalogue import read_pack, weights_sha256, write_pack
from napari_medsynth.errors import CardError, MedSynthError, WeightsError


def save_with(path, weights, **metadata):
    save_file(weights, path, metadata=metadata)
    return path


def test_pack_gives_back_card_and_weights(tmp_path, card, weights):
    written = write_pack(tmp_path / "a" / "tiny.safetensors", card, weights)
    read = read_pack(written.path)

    assert read == written
    assert read.card == replace(
        card, sha256=weights_sha256(weights), parameters=4 * 3 + 4
    )
    for name, array in read.weights().items():
        assert array.dtype == weights[name].dtype
        assert array.shape == weights[name].shape
        np.testing.assert_array_equal(array, weights[name])


def test_layout_in_memory_does_not_change_pack_or_hash(tmp_path, card, rng):
    array = rng.normal(size=(3, 5)).astype(np.float32)
    plain, turned = {"w": array}, {"w": np.asfortranarray(array)}

    pack = write_pack(tmp_path / "turned.safetensors", card, turned)

    assert weights_sha256(plain) == weights_sha256(turned) == pack.card.sha256
    np.testing.assert_array_equal(pack.weights()["w"], array)


@pytest.mark.parametrize(
    "other",
    [
        {"v": np.zeros((2, 3), np.float32)},
        {"w": np.zeros((3, 2), np.float32)},
        {"w": np.zeros((2, 3), np.float16)},
        {"w": np.full((2, 3), -0.0, np.float32)},
    ],
    ids=["name", "shape", "dtype", "bytes"],
)
def test_hash_sees_names_shapes_dtypes_and_bytes(other):
    assert weights_sha256(other) != weights_sha256({"w": np.zeros((2, 3), np.float32)})


def test_hash_is_what_the_docstring_says():
    import hashlib

    weights = {"b": np.float16([[1, 2]]), "a": np.float32(3).reshape(())}
    text = b"a float32 \n" + np.float32(3).tobytes()
    text += b"b float16 1x2\n" + np.float16([[1, 2]]).tobytes()

    assert weights_sha256(weights) == hashlib.sha256(text).hexdigest()


def test_one_changed_byte_is_found_when_weights_load(tmp_path, card, weights):
    path = write_pack(tmp_path / "tiny.safetensors", card, weights).path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    pack = read_pack(path)
    with pytest.raises(WeightsError, match=r"need sha256 .* the file is damaged"):
        pack.weights()
    with pytest.raises(WeightsError):
        pack.verify()


@pytest.mark.parametrize("keep", [0, 5, 60, -3])
def test_truncated_file_is_one_sentence(tmp_path, card, weights, keep):
    path = write_pack(tmp_path / "tiny.safetensors", card, weights).path
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(WeightsError) as caught:
        read_pack(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path, weights):
    text = tmp_path / "text.safetensors"
    text.write_text("no pack")
    foreign = save_with(tmp_path / "foreign.safetensors", weights, format="pt")

    with pytest.raises(WeightsError, match="does not exist"):
        read_pack(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        read_pack(text)
    with pytest.raises(WeightsError, match="not a model pack"):
        read_pack(foreign)
    with pytest.raises(WeightsError, match="is a folder"):
        read_pack(tmp_path)


def test_type_that_numpy_lacks_is_named(tmp_path, card):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "bf16.safetensors"
    metadata = {"medsynth_format": "1", "card": json.dumps(card.to_json())}
    save_file({"w": torch.ones(3, dtype=torch.bfloat16)}, path, metadata=metadata)

    with pytest.raises(WeightsError, match=r"float16, float32.*bfloat16"):
        read_pack(path).weights()


def test_newer_format_asks_for_an_update(tmp_path, weights):
    path = save_with(tmp_path / "new.safetensors", weights, medsynth_format="2")

    with pytest.raises(WeightsError, match=r"pack format 2.*update"):
        read_pack(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"id": "x"}', '{"id": 3}'])
def test_unreadable_card_names_the_file(tmp_path, weights, text):
    path = tmp_path / "bad.safetensors"
    save_with(path, weights, medsynth_format="1", card=text)

    with pytest.raises(CardError) as caught:
        read_pack(path)
    assert str(path) in str(caught.value)


def test_card_of_wrong_types_names_file_and_key(tmp_path, card, weights):
    path = tmp_path / "bad.safetensors"
    text = json.dumps({**card.to_json(), "inputs": "T1"})
    save_with(path, weights, medsynth_format="1", card=text)

    with pytest.raises(CardError, match=r"bad.safetensors.*inputs must be a list"):
        read_pack(path)


def test_failed_write_leaves_the_old_file_alone(tmp_path, card, weights):
    path = tmp_path / "tiny.safetensors"
    write_pack(path, card, weights)
    before = path.read_bytes()

    with pytest.raises(WeightsError, match="float64"):
        write_pack(path, card, {"w": np.zeros(2)})
    with pytest.raises(CardError, match="plain JSON"):
        write_pack(path, replace(card, training={"loss": float("nan")}), weights)

    assert path.read_bytes() == before
    assert list(tmp_path.glob("*tiny*")) + list(tmp_path.glob("*.part")) == [path]


def test_unwritable_place_is_one_sentence(tmp_path, card, weights):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(MedSynthError, match="cannot be written"):
        write_pack(tmp_path / "file" / "tiny.safetensors", card, weights)


def test_a_full_disk_is_said_in_a_sentence(tmp_path, card, weights, monkeypatch):
    from safetensors import SafetensorError
    from safetensors import numpy as safetensors_numpy

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors_numpy, "save_file", full)

    with pytest.raises(WeightsError, match=r"cannot be written.*No space left"):
        write_pack(tmp_path / "new" / "a.safetensors", card, weights)
    assert not list((tmp_path / "new").iterdir())
