"""What "How sure?" says in words; knows no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medsynth.trust.calibration import patients_needed

if TYPE_CHECKING:
    from napari_medsynth.trust.calibration import Calibration

    from ._uncertainty_maps import TargetMaps

LIMITS = {"interval": 20, "spread": 5}  # % of the range, to begin with
CONFIDENCE = 0.9  # of calibrations that are made here
_NEEDED = patients_needed(CONFIDENCE)


def calibration_sentence(
    target: str, calibration: Calibration | None, n_variants: int
) -> str:
    """Say what the interval promises, or that there is none."""
    if calibration is None:
        return (
            f"{target}: not calibrated here. How far the syntheses differ is not how "
            "far they are from the truth: calibrate on local cases (“At this site”), "
            f"{_NEEDED} patients or more."
        )
    facts = calibration.facts
    sentence = f"{target}: {calibration.statement}"
    if date := facts.get("date"):
        sentence += f" Calibrated on {date}."
    n_then = facts.get("variants", n_variants)
    if n_then != n_variants:
        sentence += (
            f" It was calibrated with {n_then} variants, not {n_variants}: their "
            "spread is another one, so choose as many."
        )
    return sentence


def marked_sentence(target: str, one: TargetMaps, share: float, limit: float) -> str:
    """Say how much is not to be trusted, and how far the syntheses differ."""
    n = int(one.known.sum())
    where = "1 slice" if n == 1 else f"{n} slices"
    differ = f"the syntheses differ by {_percent(one.mean_spread)} of the range"
    if one.calibration is None:
        marked = f"{_percent(share)} of it by more than {_percent(limit, 0)}"
        return f"{target}, head on {where}: {differ} on average, {marked}."
    return (
        f"{target}, head on {where}: {differ} on average. Do not trust "
        f"{_percent(share)} of it: there the true value may be further away than "
        f"{_percent(limit, 0)} of the range."
    )


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
