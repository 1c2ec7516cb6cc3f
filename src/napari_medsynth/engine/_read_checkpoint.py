"""Child process: read a torch checkpoint of unknown origin, write plain tensors.

``python -m napari_medsynth.engine._read_checkpoint IN.pth OUT.safetensors``; the input
may be ``.pt``, ``.ckpt`` or ``.safetensors`` too. A file that crashes, hangs or swells
takes only this process with it. A file that is understood but not usable gives exit
status `REFUSED` and a sentence on standard error.
"""

from __future__ import annotations

import pickle
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_medsynth.errors import WeightsError

REFUSED = 3
MAX_SHARING = 4  # official files list their transformer three times
# In the order of preference: BasicSR runs its averaged weights, others the plain ones.
WRAPPERS = (
    *("params_ema", "params", "state_dict", "ema_state_dict", "model_state_dict"),
    *("model", "generator"),
)
PREFIXES = ("module.", "_orig_mod.")


def main(arguments: list[str]) -> int:
    """Convert one file; give the exit status."""
    source, target = Path(arguments[0]), Path(arguments[1])
    try:
        save_file(canonical_state(read_state(source)), target)
    except WeightsError as err:
        sys.stderr.write(str(err))
        return REFUSED
    return 0


def read_state(path: Path) -> dict[str, Tensor]:
    """Read named tensors with ``weights_only=True``, so that no code of the file runs.

    Raises
    ------
    WeightsError
        If the file is no checkpoint, holds more than tensors, or no named tensors.
    """
    content = _unwrapped(_content(path))
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"{path.name} holds no named tensors; a state dict is needed, such as "
            "latest_net_G.pth."
        )
    wrong = [str(k) for k, v in content.items() if not isinstance(v, Tensor)]
    if wrong:
        raise WeightsError(
            f"{path.name} needs tensors only, but {', '.join(wrong[:3])} is none; "
            "save the network's state dict by itself."
        )
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in content.values())
    n_held = path.stat().st_size
    if n_bytes > MAX_SHARING * n_held:
        raise WeightsError(
            f"{path.name} claims {n_bytes} bytes of tensors and has {n_held}; "
            "it is damaged or made to do harm, get it again."
        )
    return {_bare(str(key)): tensor for key, tensor in content.items()}


def _content(path: Path) -> object:
    """Read whatever a file holds."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise WeightsError(
            f"{path.name} is no checkpoint of plain tensors, or would run code when it "
            "is opened; only state dicts are read: get one from its authors, or save "
            "network.state_dict() where the file can be trusted."
        ) from err
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        zipfile.BadZipFile,
        SafetensorError,
    ) as err:
        raise WeightsError(
            f"{path.name} is damaged or no torch checkpoint; get it again."
        ) from err


def _unwrapped(content: object) -> object:
    """Take the weights out of what training programs save around them."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in WRAPPERS if key in content]
        found = next((one for one in inner if isinstance(one, Mapping)), None)
        if found is None:
            break
        content = found
    return content


def _bare(key: str) -> str:
    """Drop what parallel or compiled networks put before their keys."""
    while key.startswith(PREFIXES):
        key = key.partition(".")[2]
    return key


def canonical_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Spell the shared transformer ``transformer_encoder.`` and keep it once.

    Official checkpoints also list it as ``art_1.transformer.`` and
    ``art_6.transformer.``; any spelling will do, but all must agree.

    Raises
    ------
    WeightsError
        If spellings differ in a value.
    """
    canonical: dict[str, Tensor] = {}
    for key, tensor in state.items():
        block, _, rest = key.partition(".transformer.")
        is_alias = bool(rest) and block.startswith("art_")
        name = f"transformer_encoder.{rest}" if is_alias else key
        if name not in canonical:
            canonical[name] = tensor.contiguous().clone()
        elif not _is_equal(canonical[name], tensor):
            raise WeightsError(
                f"{key} differs from another copy of the shared transformer; the "
                "checkpoint was changed after training, use the original."
            )
    return canonical


def _is_equal(first: Tensor, second: Tensor) -> bool:
    is_alike = first.shape == second.shape and first.dtype == second.dtype
    return is_alike and torch.equal(first, second)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
