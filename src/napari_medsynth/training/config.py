"""TrainConfig: everything a training run depends on, from one TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from napari_medsynth.errors import CardError


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run.

    Parameters
    ----------
    id, title : str
        Of the card that the run makes.
    output : str
        Pack to write, relative to the folder of the configuration file.
    factory : str
        "package.module:Class" of the network.
    options : mapping
        Keyword arguments of the factory.
    modalities : tuple of str
        Contrasts, in the order of the network's channels; both inputs and outputs.
    planes : tuple of str
        Of "axial", "coronal", "sagittal": which slices are trained on.
    n_steps : int
        Updates of the weights.
    batch_size : int
        Slices per update.
    learning_rate : float
        Peak of the schedule: a linear warm-up, then half a cosine down to 1 %.
    warmup_steps : int
        Length of the warm-up.
    ema : float
        Decay of the running mean of the weights, which is published; 0: the last ones.
    reconstruction_weight : float
        Weight of the error on the channels that were given; wanted ones have 1.
    gradient_weight : float
        Weight of the difference of the image gradients, which keeps edges sharp.
    n_anatomies : int
        Made-up brains that are kept in memory, about 20 MB each.
    n_lesions : int
        Largest number of lesions of a brain.
    real : tuple of str
        Folders of real subjects, ``<modality>.nii.gz`` each; ``$NAME`` stands for an
        environment variable. A contrast that is not there is never given nor wanted.
    real_share : float
        Share of the slices that come from real subjects [0, 1].
    sides : tuple of int
        Shortest and longest side of a training image [pixel], multiples of 16.
    seed : int
        Equal configurations with equal seeds give equal weights on one machine.
    norm_statistics : {"running", "batch"}
        What normalisation layers use: statistics of whole batches, and running ones
        afterwards; or those of each single slice, in training as afterwards.
    precision : {"fp32", "bf16"}
        Of the arithmetic; weights are float32 while training.
    n_threads : int
        CPU threads; 0 leaves torch's choice.
    checkpoint_every : int
        Updates between two checkpoints; 0 for none.
    licence, training_data, limits : str
        Sentences of the card.

    Raises
    ------
    CardError
        If a value is out of range.
    """

    id: str
    title: str
    output: str
    factory: str = "napari_medsynth.models.resvit:ResViT"
    options: Mapping[str, Any] = field(default_factory=dict)
    modalities: tuple[str, ...] = ("T1", "T2", "PD", "FLAIR")
    planes: tuple[str, ...] = ("axial", "coronal", "sagittal")
    n_steps: int = 1000
    batch_size: int = 8
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    ema: float = 0.998
    reconstruction_weight: float = 0.1
    gradient_weight: float = 0.2
    n_anatomies: int = 24
    n_lesions: int = 15
    real: tuple[str, ...] = ()
    real_share: float = 0.0
    sides: tuple[int, ...] = (128, 256)
    seed: int = 0
    norm_statistics: str = "running"
    precision: str = "fp32"
    n_threads: int = 0
    checkpoint_every: int = 200
    licence: str = ""
    training_data: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "n_anatomies"):
            value = getattr(self, name)
            if value < 1:
                raise CardError(f"{name} must be at least 1, got {value}.")
        if not 0 <= self.real_share <= 1 or (self.real_share > 0 and not self.real):
            raise CardError(
                f"real_share must be between 0 and 1 and needs folders in real, got "
                f"{self.real_share} with {len(self.real)} folders."
            )
        if self.precision not in ("fp32", "bf16"):
            raise CardError(f"precision must be fp32 or bf16, got {self.precision!r}.")
        if len(self.sides) != 2 or any(side % 16 for side in self.sides):
            raise CardError(
                f"sides must be two multiples of 16, shortest first, got {self.sides}."
            )


def read_config(path: Path | str) -> TrainConfig:
    """Read a TOML file whose keys are the fields of `TrainConfig`.

    Raises
    ------
    CardError
        If the file is missing or no TOML, a key is unknown or has the wrong type, or a
        folder of `real` or its environment variable does not exist.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise CardError(f"{path} cannot be read: {err.strerror}.") from err
    except ValueError as err:
        raise CardError(f"{path} is no TOML file: {err}.") from err
    hints = get_type_hints(TrainConfig)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise CardError(
            f"{path}: unknown settings {', '.join(unknown)}; see TrainConfig."
        )
    typed = {name: _typed(path, name, value) for name, value in values.items()}
    missing = [name for name in ("id", "title", "output") if name not in typed]
    if missing:
        raise CardError(f"{path} needs {', '.join(missing)}.")
    typed["real"] = tuple(_folder(path, entry) for entry in typed.get("real", ()))
    return TrainConfig(**typed)


_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "Mapping[str, Any]": dict,
    "tuple[str, ...]": list,
    "tuple[int, ...]": list,
}


def _typed(path: Path, name: str, value: Any) -> Any:
    """Check one value against its field; lists become tuples, ints floats."""
    kind = str(next(f.type for f in fields(TrainConfig) if f.name == name))
    if not isinstance(value, _KINDS[kind]) or isinstance(value, bool):
        raise CardError(f"{path}: {name} must be {kind}, got {value!r}.")
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(value, int) and kind == "float" else value


def _folder(path: Path, entry: str) -> str:
    """Give an existing folder; relative ones start at the configuration file."""
    expanded = os.path.expandvars(entry)
    if "$" in expanded:
        raise CardError(
            f"{path}: {entry} needs an environment variable that is not set; set it to "
            "the folder of the data, or remove the entry from real."
        )
    folder = path.parent / expanded
    if not folder.is_dir():
        raise CardError(f"{path}: the folder {folder} of real does not exist.")
    return str(folder)
