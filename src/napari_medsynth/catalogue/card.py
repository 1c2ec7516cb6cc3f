"""ModelCard: what can be run, on what, and how well, as plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
        Rows of a table: ``data``, ``available``, ``target``, ``psnr``, ``ssim``, ``mae`` and
        whatever else was measured.
    training : mapping
        Recipe facts: steps, seed, hardware, date, parent weights.
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
    norm_statistics: str = "running"
    parameters: int = 0
    sha256: str = ""
    licence: str = ""
    reference: str = ""
    training_data: str = ""
    limits: str = ""
    quality: tuple[Mapping[str, Any], ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise CardError(
                f"Card {self.id}: task must be one of {', '.join(TASKS)}, got {self.task!r}."
            )
        if self.norm_statistics not in ("running", "batch"):
            raise CardError(
                f"Card {self.id}: norm_statistics must be 'running' or 'batch', "
                f"got {self.norm_statistics!r}."
            )
        if self.is_unified and self.inputs != self.outputs:
            raise CardError(
                f"Card {self.id}: a unified model needs equal inputs and outputs, "
                f"got {self.inputs} and {self.outputs}."
            )

    def why_not(self, sources: Collection[str], targets: Collection[str]) -> str:
        """Say in one sentence why this model cannot make `targets` of `sources`; "" if it can."""
        unknown = [m for m in targets if m not in self.outputs]
        if not targets:
            return "Nothing to synthesise: choose at least one target."
        if unknown:
            return f"{self.title} cannot make {', '.join(unknown)}; it makes {', '.join(self.outputs)}."
        useful = [m for m in self.inputs if m in sources and m not in targets]
        if not useful:
            return f"No source: {self.title} needs {' or '.join(self.inputs)} beside the target."
        missing = [m for m in self.inputs if m not in useful]
        if missing and not self.is_unified:
            return f"{self.title} needs {', '.join(missing)} too."
        return ""

    def to_json(self) -> dict[str, Any]:
        """Give the card as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModelCard:
        """Make a card from `to_json`'s values, ignoring keys that this version does not know.

        Raises
        ------
        CardError
            If a needed key is missing or has the wrong type.
        """
        known = {f.name for f in fields(cls)}
        tuples = {"inputs", "outputs", "planes", "quality"}
        try:
            return cls(
                **{
                    k: tuple(v) if k in tuples else v
                    for k, v in values.items()
                    if k in known
                }
            )
        except TypeError as err:
            raise CardError(
                f"The card {values.get('id', '?')!r} is incomplete: {err}."
            ) from err
