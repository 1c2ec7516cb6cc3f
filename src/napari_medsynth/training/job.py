"""TrainJob: all that one training run depends on, as plain data (JSON or TOML)."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from napari_medsynth.errors import CardError

from .config import TrainConfig

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SUFFIX = ".safetensors"
WHO = ("subject", "person")  # of a study; its other keys are contrasts
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class NetworkConfig:
    """A network with fresh weights, for training from scratch.

    Parameters
    ----------
    card : str
        Id of a card whose network and preparation are taken, but not its weights; then
        `factory` is not used, `options` change its options, and `inputs` and `outputs`
        are its own unless they are given.
    factory : str
        "package.module:Class".
    options : mapping
        Its keyword arguments, besides the numbers of channels.
    inputs, outputs : tuple of str
        Contrasts in the order of the channels; the same ones for a unified model. ()
        is T1, T2, PD and FLAIR, or what `card` says.
    degradation : mapping
        How an input is made of an output, instead of that of `card`; {} is its own.
    norm_statistics : {"running", "batch"}
        Normalise by running statistics, or each slice by its own.
    transformer : str
        Google's ViT weights (``.npz``) for the transformer; "" for none.
    sharp_start : bool
        Change the first weights so that images pass sharply (`start.sharp_start`).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    card: str = ""
    factory: str = "napari_medsynth.models.resvit:ResViT"
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    degradation: Mapping[str, Any] = field(default_factory=dict)
    norm_statistics: Literal["running", "batch"] = "running"
    transformer: str = ""
    sharp_start: bool = False


@dataclass(frozen=True)
class DataConfig:
    """What is learnt from.

    Parameters
    ----------
    folder : str
        BIDS data set, or a folder with one folder per subject; "" for none.
    studies : tuple of mapping
        One per subject: "subject" and contrasts to paths; more subjects than `folder`.
        Those with one "person" are held out together and counted once.
    held_out : tuple of str
        Subjects that are never trained on; () chooses `held_out_share` of them.
    held_out_share : float
        Share of the subjects that is held out, at least one if there are two.
    align : {"header", "rigid"}
        Bring the contrasts of a subject onto one grid by their headers, or register
        them too.
    pairing : {"paired", "unpaired"}
        Learn from sources and targets of one subject, side by side, or from those of
        different subjects, who need only one of them: for the objective "cycle".
    planes : tuple of str
        Of "axial", "coronal", "sagittal": which slices are trained on.
    simulated_share : float
        Share of the training slices that is made up on the way (`simulate`): all of
        the data, or a rehearsal of what the model knew.
    n_anatomies, n_lesions : int
        Made-up brains kept in memory, about 20 MB each; largest number of lesions.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    folder: str = ""
    studies: tuple[Mapping[str, str], ...] = ()
    held_out: tuple[str, ...] = ()
    held_out_share: Annotated[float, Field(ge=0, lt=1)] = 0.25
    align: Literal["header", "rigid"] = "header"
    pairing: Literal["paired", "unpaired"] = "paired"
    planes: Annotated[
        tuple[Literal["axial", "coronal", "sagittal"], ...], Field(min_length=1)
    ] = ("axial",)
    simulated_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    n_anatomies: Annotated[int, Field(ge=1)] = 8
    n_lesions: Annotated[int, Field(ge=0)] = 15


@dataclass(frozen=True)
class TrainJob:
    """One training run.

    Parameters
    ----------
    id, title : str
        Of the card of the new model.
    base : str
        Id of an installed model, or the path of a pack, whose weights are the start;
        "" starts with fresh ones.
    network : NetworkConfig or None
        The network, if it is not simply that of `base`. With a base, its weights are
        copied wherever name and shape agree: ResViT's second stage from its first.
    targets : tuple of str
        Outputs that are learnt; () for all.
    data : DataConfig
    learn : TrainConfig
    output : str
        Pack that ``medsynth train`` writes.
    devices, num_nodes : int
        Processes on this machine, and machines, that share the work (DDP).
    licence, training_data, limits : str
        Sentences of the card.

    Raises
    ------
    CardError
        If there is neither a base nor a network, or no data, or unpaired data and an
        objective that needs pairs.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: str
    title: str
    base: str = ""
    network: NetworkConfig | None = None
    targets: tuple[str, ...] = ()
    data: DataConfig = field(default_factory=DataConfig)
    learn: TrainConfig = field(default_factory=TrainConfig)
    output: str = ""
    devices: Annotated[int, Field(ge=1)] = 1
    num_nodes: Annotated[int, Field(ge=1)] = 1
    licence: str = ""
    training_data: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        if not self.base and self.network is None:
            raise CardError(
                "A training job needs base (a model) or network (a new one)."
            )
        data = self.data
        if not (data.folder or data.studies or data.simulated_share):
            raise CardError(
                "A training job needs data: set folder, studies or simulated_share."
            )
        if data.pairing == "unpaired" and self.learn.objective != "cycle":
            raise CardError(
                "Scans of different subjects teach nothing to objective "
                f"{self.learn.objective}: choose objective cycle, or pairing paired."
            )

    def to_json(self) -> dict[str, Any]:
        """Give the job as JSON values, which `job_from_json` reads."""
        values: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return values


_ADAPTER = TypeAdapter(TrainJob)


def job_from_json(values: Mapping[str, Any], *, where: str = "The job") -> TrainJob:
    """Check JSON values and give the job; `where` opens the message of an error.

    Raises
    ------
    CardError
        If a setting is unknown, missing, or of the wrong type or range.
    """
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as err:
        more = f" (and {err.error_count() - 1} more)" if err.error_count() > 1 else ""
        raise CardError(f"{where}: {_sentence(err.errors()[0])}{more}.") from err


def _sentence(error: ErrorDetails) -> str:
    """Say what is wrong with one setting."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"{place or 'a setting'} is missing"
    if error["type"] == "unexpected_keyword_argument":
        return f"there is no setting {place}{_meant(error['loc'])}"
    given = repr(error["input"])
    given = given if len(given) <= 60 else f"{given[:57]}..."
    return f"{place}: {error['msg'].replace('Input', 'it', 1)}, got {given}"


def _meant(place: tuple[int | str, ...]) -> str:
    """Suggest the name of a setting that is nearly that of `place`."""
    owner: Any = {"learn": TrainConfig, "data": DataConfig, "network": NetworkConfig}
    known = owner[place[0]] if len(place) > 1 and place[0] in owner else TrainJob
    names = [one.name for one in fields(known)]
    near = get_close_matches(str(place[-1]), names, n=1)
    return f" (is it {near[0]}?)" if near else ""


def read_job(path: Path | str) -> TrainJob:
    """Read a job from a ``.json`` or ``.toml`` file.

    ``$NAME`` in a path of `data`, `base` or `network` stands for an environment
    variable; relative paths start at the file.

    Raises
    ------
    CardError
        If the file cannot be read or the job is wrong, in one sentence.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as err:
        raise CardError(f"{path} cannot be read: {err.strerror}.") from err
    except ValueError as err:
        raise CardError(f"{path} is no {path.suffix[1:].upper()} file: {err}.") from err
    if not isinstance(values, dict):
        raise CardError(f"{path} must hold one object, got {type(values).__name__}.")
    job = job_from_json(values, where=str(path))
    base = _path(job.base, path.parent) if job.base.endswith(SUFFIX) else job.base
    network = job.network
    if network is not None and network.transformer:
        vit = _path(network.transformer, path.parent)
        network = replace(network, transformer=vit)
    data = _with_paths(job.data, path.parent)
    return replace(job, base=base, network=network, data=data)


def _with_paths(data: DataConfig, folder: Path) -> DataConfig:
    studies = tuple(
        {
            key: value if key in WHO else _path(value, folder)
            for key, value in study.items()
        }
        for study in data.studies
    )
    root = _path(data.folder, folder) if data.folder else ""
    return replace(data, folder=root, studies=studies)


def _path(entry: str, folder: Path) -> str:
    expanded = os.path.expanduser(os.path.expandvars(entry))  # noqa: PTH111
    if "$" in expanded:
        raise CardError(
            f"{entry} needs an environment variable that is not set: set it to the "
            "folder of the data."
        )
    return str((folder / expanded).absolute())
