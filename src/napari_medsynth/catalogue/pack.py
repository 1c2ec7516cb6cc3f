"""ModelPack: a card and its weights in one safetensors file, without code or torch."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medsynth.errors import CardError, WeightsError

from .card import ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    Weights = Mapping[str, np.ndarray]

FORMAT = 1
_DTYPES = ("float16", "float32", "int64")


@dataclass(frozen=True)
class ModelPack:
    """A model card and where its weights are.

    Parameters
    ----------
    path : Path
        The ``.safetensors`` file.
    card : ModelCard
        What the file says about itself.
    """

    path: Path
    card: ModelCard

    def weights(self) -> dict[str, np.ndarray]:
        """Read all tensors and check them against the card's sha256.

        Raises
        ------
        WeightsError
            If the file changed since it was read, is damaged or has another sha256.
        """
        with _opened(self.path) as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = weights_sha256(weights)
        if found != self.card.sha256:
            raise WeightsError(
                f"{self.path}: the weights of {self.card.id} need sha256 "
                f"{self.card.sha256[:12] or '(none)'}, got {found[:12]}; the file is "
                "damaged, get it again."
            )
        return weights

    def verify(self) -> None:
        """Raise WeightsError unless all weights are there, with the card's sha256."""
        self.weights()


def weights_sha256(weights: Weights) -> str:
    """Give the sha256 of named arrays, as 64 hexadecimal digits.

    Hashed are, for each array in the order of the names: the line ``name dtype shape``
    (dtype in numpy's spelling, "float16"; shape as "3x64x7x7", "" for a scalar) and
    then its bytes, little endian, in C order. The card is not hashed, so that a title
    can be corrected without making other weights of it.
    """
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name]
        shape = "x".join(str(n) for n in array.shape)
        digest.update(f"{name} {array.dtype.name} {shape}\n".encode())
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def read_pack(path: Path | str) -> ModelPack:
    """Read the card of a pack; the weights stay in the file until they are needed.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, no pack, or of a newer format.
    CardError
        If its card is incomplete or has values of the wrong type.
    """
    path = Path(path)
    with _opened(path) as file:
        metadata = file.metadata() or {}
    if "medsynth_format" not in metadata:
        raise WeightsError(
            f"{path} is a safetensors file but not a model pack; import a pack, or the "
            "original checkpoint with its modalities."
        )
    if metadata["medsynth_format"] != str(FORMAT):
        raise WeightsError(
            f"{path} has pack format {metadata['medsynth_format']}, this version of "
            f"napari-medsynth reads {FORMAT}; update napari-medsynth."
        )
    return ModelPack(path, _card_of(metadata, path))


def write_pack(path: Path | str, card: ModelCard, weights: Weights) -> ModelPack:
    """Write `weights` and `card` as one file, whole or not at all.

    Parameters
    ----------
    path : Path or str
        File to write; an existing one is replaced.
    card : ModelCard
        Its ``sha256`` and, where it is 0, ``parameters`` are filled in.
    weights : mapping of str to ndarray
        float16 or float32 (int64 for counters), stored as given.

    Returns
    -------
    ModelPack
        With the completed card.

    Raises
    ------
    WeightsError
        If an array has another dtype, or the file cannot be written.
    CardError
        If the card holds values that JSON does not know.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    path = Path(path)
    _check_dtypes(weights, card)
    arrays = {name: np.asarray(array, order="C") for name, array in weights.items()}
    count = card.parameters or sum(
        a.size for a in arrays.values() if a.dtype.kind == "f"
    )
    card = replace(card, sha256=weights_sha256(arrays), parameters=int(count))
    metadata = {"medsynth_format": str(FORMAT), "card": _json_of(card)}
    try:
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata=metadata)
    except SafetensorError as err:  # also what a full disk is
        raise WeightsError(
            f"{path} cannot be written: {_first_line(err)}; is the disk full?"
        ) from err
    return read_pack(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place if all goes well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
    except OSError as err:
        raise WeightsError(f"{path} cannot be written: {err.strerror}.") from err
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as err:
        raise WeightsError(f"{path} cannot be written: {err.strerror}.") from err
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file with numpy; every failure is a WeightsError."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise WeightsError(f"{path} is a folder; give the file of a pack.")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError as err:
        raise WeightsError(f"{path} does not exist; give the file of a pack.") from err
    except OSError as err:
        raise WeightsError(f"{path} cannot be read: {err}.") from err
    except TypeError as err:  # numpy has no bfloat16 or float8
        raise WeightsError(
            f"{path} needs weights of {', '.join(_DTYPES)} ({_first_line(err)}); write "
            "the pack again with one of these."
        ) from err
    except SafetensorError as err:
        raise WeightsError(
            f"{path} is not a whole safetensors file ({_first_line(err)}); "
            "get it again."
        ) from err


def _card_of(metadata: Mapping[str, str], path: Path) -> ModelCard:
    """Parse the card in a pack's metadata; name the file in every message."""
    try:
        values = json.loads(metadata.get("card", ""))
    except ValueError as err:
        raise CardError(
            f"{path} holds no readable card ({err}); get it again."
        ) from err
    if not isinstance(values, dict):
        raise CardError(
            f"{path}: the card must be a JSON object, got {type(values).__name__}."
        )
    try:
        return ModelCard.from_json(values)
    except CardError as err:
        raise CardError(f"{path}: {err}") from err


def _json_of(card: ModelCard) -> str:
    try:
        return json.dumps(card.to_json(), allow_nan=False)
    except (TypeError, ValueError) as err:
        raise CardError(
            f"Card {card.id}: values must be plain JSON values ({err})."
        ) from err


def _check_dtypes(weights: Weights, card: ModelCard) -> None:
    for name, array in weights.items():
        if array.dtype.name not in _DTYPES:
            raise WeightsError(
                f"A pack of {card.id} needs {', '.join(_DTYPES)}; {name} is "
                f"{array.dtype.name}, convert it first."
            )


def _first_line(err: Exception) -> str:
    return str(err).partition("\n")[0]
