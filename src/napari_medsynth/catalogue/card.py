"""ModelCard: what can be run, on what, and how well, as plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from napari_medsynth.errors import CardError

TASKS = (
    "synthesis",
    "super-resolution",
    "denoising",
    "reconstruction",
    "generation",
)


@dataclass(frozen=True)
class ModelCard:
    """One entry of the catalogue.

    Parameters
    ----------
    id : str
        Stable identifier, lower case with hyphens; never changes.
    family : str
        File of ``models/`` that it is built from: "resvit".
    task : str
        One of `TASKS`.
    title : str
        Name for people.
    factory : str
        "package.module:Class" of the network; called with `options`.
    options : mapping
        Keyword arguments of the factory; JSON values only.
    inputs, outputs : tuple of str
        Modalities, in the order of the network's channels.
    is_unified : bool
        True: `inputs` and `outputs` are the same modalities, any subset of which may be
        available; a missing one is filled with `missing_value` (ResViT's availability
        mask). False: every input is needed and every output is given.
    missing_value : float
        Network input of a modality that is not available; -1 is black in [-1, 1].
    intensity : mapping
        Normalisation by modality, "*" for all others; see ``engine/intensity.py``.
    spatial_dims : int
        2 for slices, 3 for volumes.
    size_multiple : int
        Every side of the network's input is padded to a multiple of it.
    spacing : float or None
        In-plane voxel size the network was trained at [mm]; slices are resampled to it
        if theirs differs by more than a fifth. None: any.
    planes : tuple of str
        Planes it was trained on.
    flips : bool
        False: images must never be mirrored in training, because left and right differ.
    norm_statistics : str
        "running": statistics of the training set. "batch": those of each single slice,
        as the original ResViT was validated.
    parameters : int
        Number of trainable numbers.
    sha256 : str
        Of the weights; "" as long as there are none.
    licence, reference : str
        Licence of the weights (SPDX); paper or page.
    training_data, limits : str
        One or two sentences each, for the card view.
    quality : tuple of mapping
        Rows of a table: ``data``, ``available``, ``target``, ``psnr``, ``ssim``,
        ``mae`` and whatever else was measured.
    training : mapping
        Recipe facts: steps, seed, hardware, date, parent weights.
    features : mapping
        What the training scans look like, by modality; see ``prepare/features.py``.
    value_range : tuple of float
        What stands for -1 and 1 in the network's own input and output: (0, 255) for
        EDSR; `build_model` converts, so that all else sees [-1, 1].
    is_rgb : bool
        Each image is shown as three equal channels, and three are averaged into one.
    scale : int
        The network enlarges both sides by it: it sees every `scale`-th pixel of the
        input, which is given on the fine grid, each pixel repeated.
    neighbours : int
        Slices on each side that are shown as further channels, from the lowest index to
        the highest; 0 shows the slice alone.
    degradation : mapping
        How an input is made of an output, see ``simulate/degrade.py``; empty unless
        `is_restoration`.
    tile, overlap : int
        Side of the square tiles that large images are run in, and of what neighbouring
        tiles share [pixel of the output]; 0 runs images whole.
    recipe : mapping
        Published way to train it: settings of ``training.TrainConfig``.
    choices : tuple of str
        What the publication leaves open and how it was decided here, one sentence each.
    """

    id: str
    family: str
    task: str
    title: str
    factory: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_unified: bool = False
    missing_value: float = -1.0
    intensity: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {"*": {"kind": "percentile"}}
    )
    spatial_dims: int = 2
    size_multiple: int = 16
    spacing: float | None = None
    planes: tuple[str, ...] = ("axial",)
    flips: bool = True
    norm_statistics: str = "running"
    parameters: int = 0
    sha256: str = ""
    licence: str = ""
    reference: str = ""
    training_data: str = ""
    limits: str = ""
    quality: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, Any] = field(default_factory=dict)
    value_range: tuple[float, ...] = (-1.0, 1.0)
    is_rgb: bool = False
    scale: int = 1
    neighbours: int = 0
    degradation: Mapping[str, Any] = field(default_factory=dict)
    tile: int = 0
    overlap: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.id):
            raise CardError(
                "A card's id needs lower-case letters, digits and hyphens, "
                f"got {self.id!r}."
            )
        if self.task not in TASKS:
            raise CardError(
                f"Card {self.id}: task must be one of {', '.join(TASKS)}, "
                f"got {self.task!r}."
            )
        if self.norm_statistics not in ("running", "batch"):
            raise CardError(
                f"Card {self.id}: norm_statistics must be 'running' or 'batch', "
                f"got {self.norm_statistics!r}."
            )
        if not self.inputs or not self.outputs:
            raise CardError(f"Card {self.id}: needs at least one input and one output.")
        if self.is_unified and self.inputs != self.outputs:
            raise CardError(
                f"Card {self.id}: a unified model needs equal inputs and outputs, "
                f"got {self.inputs} and {self.outputs}."
            )
        if len(self.value_range) != 2 or not self.value_range[0] < self.value_range[1]:
            raise CardError(
                f"Card {self.id}: value_range needs two rising numbers, "
                f"got {self.value_range}."
            )
        if self.scale < 1 or self.size_multiple % self.scale:
            raise CardError(
                f"Card {self.id}: size_multiple must be a multiple of scale, got "
                f"{self.size_multiple} and {self.scale}."
            )
        if self.degradation and not (len(self.inputs) == len(self.outputs) == 1):
            raise CardError(
                f"Card {self.id}: a degradation needs one input and one output, got "
                f"{self.inputs} and {self.outputs}."
            )

    @property
    def is_restoration(self) -> bool:
        """Whether its input is a worse image of the very thing that its output shows.

        Then the input can be made of an output, by `degradation`.
        """
        return bool(self.degradation)

    @property
    def is_trained(self) -> bool:
        """Whether there are weights."""
        return bool(self.sha256)

    def why_not(self, sources: Collection[str], targets: Collection[str]) -> str:
        """Say why this model cannot make `targets` of `sources`; "" if it can.

        One sentence, for a tooltip or an error.
        """
        makes = ", ".join(self.outputs)
        unknown = [m for m in targets if m not in self.outputs]
        if not targets:
            return "Nothing to synthesise: choose at least one target."
        if unknown:
            return f"{self.title} cannot make {', '.join(unknown)}; it makes {makes}."
        useful = [m for m in self.inputs if m in sources and m not in targets]
        if not useful:
            needed = " or ".join(self.inputs)
            return f"No source: {self.title} needs {needed} beside the target."
        missing = [m for m in self.inputs if m not in useful]
        if missing and not self.is_unified:
            return f"{self.title} needs {', '.join(missing)} too."
        return ""

    def to_json(self) -> dict[str, Any]:
        """Give the card as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModelCard:
        """Make a card from `to_json`'s values.

        Keys that this version does not know are ignored: a newer version wrote them.

        Raises
        ------
        CardError
            If a needed key is missing or has the wrong type.
        """
        name = values.get("id", "?")
        known = {f.name: f for f in fields(cls) if f.name in values}
        for key, spec in known.items():
            wanted, fits = _JSON_TYPES[str(spec.type)]
            if not fits(values[key]):
                raise CardError(
                    f"Card {name!r}: {key} must be {wanted}, got {values[key]!r}."
                )
        given: dict[str, Any] = {
            key: tuple(values[key])
            if str(spec.type).startswith("tuple")
            else values[key]
            for key, spec in known.items()
        }
        try:
            return cls(**given)
        except TypeError as err:  # its own message: "... missing 1 required ..."
            missing = ", ".join(k for k in _REQUIRED if k not in values)
            raise CardError(
                f"Card {name!r} is incomplete: it needs {missing}."
            ) from err


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, list | tuple) and all(isinstance(v, kind) for v in value)
    )


_JSON_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", lambda v: isinstance(v, str)),
    "bool": ("true or false", lambda v: isinstance(v, bool)),
    "int": ("a whole number", lambda v: _is_number(v) and isinstance(v, int)),
    "float": ("a number", _is_number),
    "float | None": ("a number or null", lambda v: v is None or _is_number(v)),
    "tuple[float, ...]": (
        "a list of numbers",
        lambda v: isinstance(v, list | tuple) and all(_is_number(n) for n in v),
    ),
    "tuple[str, ...]": ("a list of texts", _is_list_of(str)),
    "tuple[Mapping[str, Any], ...]": ("a list of objects", _is_list_of(Mapping)),
    "Mapping[str, Any]": ("an object", lambda v: isinstance(v, Mapping)),
    "Mapping[str, Mapping[str, Any]]": (
        "an object of objects",
        lambda v: isinstance(v, Mapping) and _is_list_of(Mapping)(list(v.values())),
    ),
}
_REQUIRED = ("id", "family", "task", "title", "factory", "inputs", "outputs")
