"""Verdict: is a tuned model better than its base? The rule, the words, the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .stats import MIN_SUBJECTS, Interval, paired_interval

BETTER, UNCLEAR, WORSE = VERDICTS = ("better", "not distinguishable", "worse")
MEASURES = {"psnr": 1, "ssim": 1, "mae": -1}  # 1: more is better
CLEAR_LOSS = 1.0  # dB on the base's own task
SMALLEST_EFFECT = 0.05  # dB; nobody sees less, however sure it is
_ADVICE = f"hold out {MIN_SUBJECTS} or more"

Row = Mapping[str, Any]
Differences = Mapping[str, Interval]


@dataclass(frozen=True)
class Comparison:
    """What was measured of base and tuned model.

    Parameters
    ----------
    rows : sequence of mapping
        One per subject, mask and target: "subject", "available" ("T1+T2"), "target",
        "psnr", "ssim", "mae" of the tuned model and "base_psnr", ... of the base (means
        over slices), "n_slices".
    differences : mapping
        Measure to one (n_slices,) array per person: tuned - base, mean over masks and
        targets.
    """

    rows: Sequence[Row] = ()
    differences: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def n_subjects(self) -> int:
        """People that were measured."""
        return len(self.differences.get("psnr", ()))

    def intervals(self, seed: int) -> dict[str, Interval]:
        """Give the difference of each measure."""
        found = {
            m: paired_interval(self.differences.get(m, ()), seed=seed) for m in MEASURES
        }
        return {m: interval for m, interval in found.items() if interval is not None}


@dataclass(frozen=True)
class Verdict:
    """What the guard rail found.

    Parameters
    ----------
    verdict : {"better", "not distinguishable", "worse"}
        On held-out subjects, see `decide`.
    sentence : str
        For people, with numbers, weakness and warning; names nobody.
    is_weak : bool
        Fewer than three people were held out.
    warnings : tuple of str
        What must be seen before the model is kept: weakness, forgetting.
    n_subjects, n_slices : int
        People; slices of each, at most.
    plane : str
    masks : tuple of str
        Sources that were tried: "T1+T2".
    differences : mapping of str to Interval
        Of "psnr" [dB], "ssim", "mae" (share of the range): tuned - base.
    rows : tuple of mapping
        See `Comparison`.
    has_forgotten : bool
        The base model's own task is done clearly worse, see `has_forgotten`.
    forgetting, forgetting_rows
        As `differences` and `rows`, on the sample study; empty if it has not the
        contrasts of the model.
    notes : tuple of str
        Who or what could not be measured, and why.
    """

    verdict: str
    sentence: str
    is_weak: bool
    warnings: tuple[str, ...] = ()
    n_subjects: int = 0
    n_slices: int = 0
    plane: str = "axial"
    masks: tuple[str, ...] = ()
    differences: Differences = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    has_forgotten: bool = False
    forgetting: Differences = field(default_factory=dict)
    forgetting_rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give JSON values, which `from_json` reads."""
        intervals = {
            key: {m: interval.to_json() for m, interval in getattr(self, key).items()}
            for key in ("differences", "forgetting")
        }
        lists = {key: list(getattr(self, key)) for key in _TEXTS}
        rows = {key: [dict(row) for row in getattr(self, key)] for key in _ROWS}
        return {**vars(self), **intervals, **lists, **rows}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """Read `to_json`'s values."""
        intervals = {
            key: {m: Interval.from_json(v) for m, v in values[key].items()}
            for key in ("differences", "forgetting")
        }
        tuples = {key: tuple(values[key]) for key in (*_TEXTS, *_ROWS)}
        return cls(**{**values, **intervals, **tuples})


_TEXTS = ("warnings", "masks", "notes")
_ROWS = ("rows", "forgetting_rows")


def decide(differences: Differences) -> str:
    """Give the verdict that intervals of tuned - base stand for.

    "better" if the interval of the PSNR difference is above 0 and neither SSIM nor MAE
    contradicts: the interval of neither lies wholly on its worse side. "worse" if that
    of PSNR is below 0. Else, without an interval, or if the mean difference of PSNR is
    below `SMALLEST_EFFECT`, "not distinguishable".
    """
    psnr = differences.get("psnr")
    if psnr is None or abs(psnr.mean) < SMALLEST_EFFECT:
        return UNCLEAR
    if psnr.is_below_zero:
        return WORSE
    return BETTER if psnr.is_above_zero and not _contradicting(differences) else UNCLEAR


def has_forgotten(differences: Differences) -> bool:
    """Tell a clear loss: PSNR falls by more than 1 dB and its interval is below 0."""
    psnr = differences.get("psnr")
    return psnr is not None and psnr.mean < -CLEAR_LOSS and psnr.is_below_zero


def reach_verdict(
    held_out: Comparison,
    own_task: Comparison,
    *,
    seed: int = 0,
    plane: str = "axial",
    notes: Sequence[str] = (),
) -> Verdict:
    """Judge what was measured on held-out subjects and on the base's own task."""
    differences, forgetting = held_out.intervals(seed), own_task.intervals(seed)
    verdict, n = decide(differences), held_out.n_subjects
    weakness = _weakness(n)
    warning = _forgetting(forgetting) if has_forgotten(forgetting) else ""
    warnings = tuple(filter(None, (weakness, warning)))
    return Verdict(
        verdict,
        " ".join([_finding(verdict, differences, n), *warnings]),
        is_weak=bool(weakness),
        warnings=warnings,
        n_subjects=n,
        n_slices=max((row["n_slices"] for row in held_out.rows), default=0),
        plane=plane,
        masks=tuple(dict.fromkeys(row["available"] for row in held_out.rows)),
        differences=differences,
        rows=tuple(held_out.rows),
        has_forgotten=bool(warning),
        forgetting=forgetting,
        forgetting_rows=tuple(own_task.rows),
        notes=tuple(notes),
    )


def _contradicting(differences: Differences) -> list[str]:
    """Name the measures whose interval lies wholly on its worse side."""
    found = []
    for measure, sign in MEASURES.items():
        interval = differences.get(measure)
        if interval is None:
            continue
        is_worse = interval.is_below_zero if sign > 0 else interval.is_above_zero
        if is_worse:
            found.append(measure)
    return found


def _finding(verdict: str, differences: Differences, n_subjects: int) -> str:
    psnr = differences.get("psnr")
    if psnr is None:
        return "Not distinguishable from the base model."
    numbers = [f"PSNR {_with_interval(psnr, '+.2f', ' dB')}"]
    for measure in ("ssim", "mae"):
        if measure in differences:
            numbers.append(f"{measure.upper()} {differences[measure].mean:+.3f}")
    word = {BETTER: "Better than", WORSE: "Worse than"}.get(
        verdict, "Not distinguishable from"
    )
    text = f"{word} the base model on {_people(n_subjects)}: {', '.join(numbers)}."
    if verdict == UNCLEAR and abs(psnr.mean) < SMALLEST_EFFECT:
        return f"{text} Less than {SMALLEST_EFFECT} dB cannot be seen."
    if verdict == UNCLEAR and psnr.is_above_zero:
        names = " and ".join(m.upper() for m in _contradicting(differences))
        text += f" PSNR is better, but {names} contradicts."
    return text


def _weakness(n_subjects: int) -> str:
    if n_subjects == 0:
        return (
            "The verdict is weak: no subject was held out and measured, so nothing "
            f"tells which is better; {_ADVICE}."
        )
    if n_subjects < MIN_SUBJECTS:
        return (
            f"The verdict is weak: with {_people(n_subjects)} the interval is that of "
            f"their slices and says little about others; {_ADVICE}."
        )
    return ""


def _forgetting(differences: Differences) -> str:
    return (
        "Warning: the base model's own task was forgotten in part, PSNR "
        f"{_with_interval(differences['psnr'], '+.1f', ' dB')} on the simulated sample "
        "study; keep the base model for other data."
    )


def _with_interval(interval: Interval, form: str, unit: str) -> str:
    text = f"{interval.mean:{form}}{unit}"
    if interval.low is None or interval.high is None:
        return f"{text} (no interval: too few slices)"
    return f"{text} (95 % interval {interval.low:{form}} to {interval.high:{form}})"


def _people(n: int) -> str:
    return f"{n} held-out subject" + ("" if n == 1 else "s")
