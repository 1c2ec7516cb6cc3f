"""Calibration: how wide an interval has to be at this site; plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, EngineError

from .site import load_record, save_record

if TYPE_CHECKING:
    from pathlib import Path

# Share of the range, added to every spread. A large one gives intervals of one width,
# which are the narrowest on the simulated subjects that they are calibrated on. A small
# one follows the spread, and holds more of real subjects, where the spread is larger.
FLOOR = 0.02
_RECORD = "calibrations"


@dataclass(frozen=True)
class Calibration:
    """What the half-width of an interval is: ``factor * (spread + floor * range)``.

    Parameters
    ----------
    factor : float
        See above.
    coverage, confidence : float
        Share of a patient's voxels that the interval is to hold, and share of the
        patients in which it is to do so.
    observed_coverage : float or None
        Share of a patient's voxels that the interval of the other patients held, mean
        over the patients; None for one patient.
    lowest_coverage : float or None
        The same of the patient where it was lowest.
    n_patients : int
        Who was learnt from.
    is_valid : bool
        Whether they are enough for the guarantee of split conformal prediction.
    floor : float
        Share of the range.
    facts : mapping
        What it holds for (``target``, ``sources``, ``method`` by `method_name`,
        ``plane``), and what else is worth knowing (``variants``, ``date``); JSON.
    """

    factor: float
    coverage: float
    confidence: float
    observed_coverage: float | None
    lowest_coverage: float | None
    n_patients: int
    is_valid: bool
    floor: float = FLOOR
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        """What the interval promises, in plain words."""
        n, who = self.n_patients, percent(self.confidence)
        if self.is_valid:
            promise = (
                f"For {who} of new patients like the {n} measured here, the interval "
                f"holds the true value in at least {percent(self.coverage)} of the "
                "voxels of the head; small regions such as lesions may have fewer."
            )
        else:
            few = "1 patient is" if n == 1 else f"{n} patients are"
            promise = (
                f"No guarantee: {few} too few for an interval that holds for {who} of "
                f"new patients, {patients_needed(self.confidence)} or more are needed; "
                "this one is a guess."
            )
        if self.observed_coverage is None:
            return promise
        return (
            f"{promise} Each patient left out in turn had "
            f"{percent(self.observed_coverage)} of the voxels inside on average, "
            f"{percent(self.lowest_coverage)} at worst."
        )

    @property
    def purpose(self) -> str:
        """What it holds for, as one text: "FLAIR of T1, T2 by augmentation, axial"."""
        sources = ", ".join(self.facts.get("sources", ()))
        return purpose_of(
            str(self.facts.get("target", "")),
            sources,
            str(self.facts.get("method", "")),
            str(self.facts.get("plane", "axial")),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the calibration as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """Make a calibration from `to_json`'s values.

        Raises
        ------
        CardError
            If they are damaged.
        """
        try:
            return cls(**values)
        except TypeError as err:
            raise CardError(f"A calibration is damaged ({err}): repeat it.") from err


def patients_needed(confidence: float) -> int:
    """Give the number of patients below which no interval can be guaranteed.

    Of n patients and a new one, each is as likely to be the oddest: a share of
    1 / (n + 1) of new patients is odder than all n, whatever those are.

    Raises
    ------
    EngineError
        If `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise EngineError(
            "Coverage and confidence are shares between 0 and 1, such as 0.9; got "
            f"{confidence}."
        )
    return ceil(1 / (1 - confidence) - 1 - 1e-9)


def percent(share: float | None) -> str:
    """Write a share as people do: 0.9 is "90 %", 0.954 is "95.4 %"."""
    return "?" if share is None else f"{100 * share:.1f}".removesuffix(".0") + " %"


def method_name(method: str, cards: Sequence[ModelCard]) -> str:
    """Name a method; an ensemble by its members' weights, which its spread is about."""
    if method != "ensemble":
        return method
    return f"ensemble of {' '.join(sorted(card.sha256[:12] for card in cards))}"


def purpose_of(target: str, sources: str, method: str, plane: str) -> str:
    """Name what a calibration holds for; `sources` in the card's order."""
    return f"{target} of {sources} by {method}, {plane}"


def save_calibration(card: ModelCard, calibration: Calibration) -> Path:
    """Keep a calibration for a model, instead of an earlier one for the same purpose.

    Raises
    ------
    CardError, WeightsError
        As `site.save_record`.
    """
    known = load_record(card, _RECORD) or {}
    values = {**known, calibration.purpose: calibration.to_json()}
    return save_record(card, _RECORD, values)


def load_calibration(
    card: ModelCard,
    target: str,
    *,
    sources: tuple[str, ...],
    method: str,
    plane: str = "axial",
) -> Calibration | None:
    """Give the calibration for a target made of exactly these sources, or None.

    Parameters
    ----------
    card : ModelCard
        Its weights are what it was measured with.
    target : str
    sources : tuple of str
        What the model is shown, in any order.
    method : str
        See `method_name`.
    plane : str
        As given to `prepare_study`.

    Raises
    ------
    CardError
        If the site's file is damaged.
    """
    ordered = ", ".join(m for m in card.inputs if m in sources)
    found = (load_record(card, _RECORD) or {}).get(
        purpose_of(target, ordered, method, plane)
    )
    return None if found is None else Calibration.from_json(found)
