"""Calibration on local subjects: synthesise what is known, and measure the error."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.io import Study

from .calibration import Calibration, method_name
from .conformal import Case, calibrate, case_of
from .uncertainty import SLICES_AT_ONCE, Uncertainty, UncertaintyStep, uncertainty


@dataclass(frozen=True)
class LocalSubject:
    """A subject that may have what calibration needs.

    Parameters
    ----------
    name : str
        For messages.
    contrasts : collection of str
        What it has.
    read : callable
        Gives the study with some of its contrasts, when its turn comes.
    person : str
        Whose scans these are, if that is not `name`.
    """

    name: str
    contrasts: Collection[str]
    read: Callable[[Sequence[str]], Study]
    person: str = ""


@dataclass(frozen=True)
class CalibrationStep:
    """State of a running calibration.

    Parameters
    ----------
    subject, n_subjects : int
        Which subject is worked on, from 1, of how many.
    share : float
        How much of the whole is done, 0 to 1.
    sentence : str
        What is being done.
    """

    subject: int
    n_subjects: int
    share: float
    sentence: str


@dataclass(frozen=True)
class Calibrated:
    """What came of a calibration.

    Parameters
    ----------
    calibrations : tuple of Calibration
        One per target that some subject has.
    problems : tuple of str
        One sentence per subject that could not be used.
    """

    calibrations: tuple[Calibration, ...]
    problems: tuple[str, ...] = ()


def calibrate_on(
    subjects: Iterable[LocalSubject],
    networks: Sequence[SliceNetwork],
    *,
    targets: Sequence[str],
    sources: Collection[str],
    method: str = "augmentation",
    n: int = 8,
    plane: str = "axial",
    step: int = 4,
    coverage: float = 0.9,
    confidence: float = 0.9,
) -> Generator[CalibrationStep, None, Calibrated]:
    """Find how wide intervals must be, on subjects whose truth is known.

    Each subject is read when its turn comes, shown to the model without the targets,
    and only its voxels that count are kept.

    Parameters
    ----------
    subjects : iterable of LocalSubject
        None of them may have been trained on.
    networks : sequence of SliceNetwork
        As `uncertainty` takes them; calibrations are of the first one's card.
    targets, sources : collection of str
        What is made of what; a subject needs all sources and one of the targets.
    method, n, plane
        As `uncertainty` and `prepare_study` take them.
    step : int
        Every how many slices are run.
    coverage, confidence : float
        As `conformal.calibrate`.

    Yields
    ------
    CalibrationStep
        After every run of a network.

    Raises
    ------
    CardError
        If the model cannot make the targets of the sources.
    VolumeError
        If no subject can be used.
    EngineError
        As `uncertainty` and `conformal.calibrate`.
    """
    card = networks[0].card
    shown = [m for m in card.inputs if m in sources]
    if reason := card.why_not(shown, list(targets)):
        raise CardError(reason)
    listed, problems = list(subjects), []
    cases: dict[str, list[Case]] = {target: [] for target in targets}
    for number, subject in enumerate(listed, start=1):
        steps = _cases(subject, networks, targets, shown, method, n, plane, step)
        try:
            found = yield from _numbered(steps, number, len(listed), subject.name)
        except VolumeError as err:
            problems.append(f"{subject.name}: {err}")
            continue
        for target, case in found.items():
            cases[target].append(case)
    if not any(cases.values()):
        reasons = " ".join(problems) or "none was given."
        raise VolumeError(f"No subject can be used to calibrate: {reasons}")
    facts = {
        "sources": shown,
        "method": method_name(method, [network.card for network in networks]),
        "plane": plane,
        "variants": len(networks) if method == "ensemble" else n,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    made = tuple(
        calibrate(
            known,
            coverage=coverage,
            confidence=confidence,
            facts={"target": target, **facts},
        )
        for target, known in cases.items()
        if known
    )
    return Calibrated(made, tuple(problems))


def _numbered(
    steps: Generator[tuple[float, str], None, dict[str, Case]],
    number: int,
    n_subjects: int,
    name: str,
) -> Generator[CalibrationStep, None, dict[str, Case]]:
    """Tell how far the whole is, given how far the subject is."""
    while True:
        try:
            share, sentence = next(steps)
        except StopIteration as finished:
            cases: dict[str, Case] = finished.value
            return cases
        whole = (number - 1 + share) / n_subjects
        yield CalibrationStep(number, n_subjects, whole, f"{name}: {sentence}")


def _cases(
    subject: LocalSubject,
    networks: Sequence[SliceNetwork],
    targets: Sequence[str],
    sources: Sequence[str],
    method: str,
    n: int,
    plane: str,
    step: int,
) -> Generator[tuple[float, str], None, dict[str, Case]]:
    """Yield how much of the subject is done; return a case for each target it has."""
    card = networks[0].card
    wanted = _wanted(subject, targets, sources)
    yield 0.0, "reading"
    study = subject.read((*sources, *wanted))
    shown = Study({m: study[m] for m in sources}, subject=subject.name)
    prepared = prepare_study(shown, card, targets=wanted, plane=plane)
    slices = range(step // 2 % prepared.n_slices, prepared.n_slices, step)
    steps = uncertainty(prepared, networks, method=method, n=n, indices=slices)
    sentence = f"{', '.join(wanted)} of {', '.join(sources)}"
    while True:
        try:
            yield share_of(next(steps)), sentence
        except StopIteration as finished:
            found: Uncertainty = finished.value
            break
    who = subject.person or subject.name
    return {
        target: _flat(case_of(prepared, found, target, study[target], patient=who))
        for target in wanted
    }


def _wanted(
    subject: LocalSubject, targets: Sequence[str], sources: Sequence[str]
) -> list[str]:
    """Give the targets that a subject has.

    Raises
    ------
    VolumeError
        If it lacks all targets or a source.
    """
    wanted = [target for target in targets if target in subject.contrasts]
    missing = [m for m in sources if m not in subject.contrasts]
    if missing or not wanted:
        raise VolumeError(f"it lacks {', '.join(missing) or ' and '.join(targets)}.")
    return wanted


def share_of(step: UncertaintyStep) -> float:
    """Tell how much of the slices of `uncertainty` is done, 0 to 1."""
    at_work = min(SLICES_AT_ONCE, step.total - step.done)
    is_between = 0 < step.n_runs < step.n_variants
    partly = at_work * step.n_runs / step.n_variants if is_between else 0
    return (step.done + partly) / max(step.total, 1)


def _flat(case: Case) -> Case:
    """Keep the voxels that count: a patient takes megabytes then, not a hundred."""
    truth, made, spread = (x[case.mask] for x in (case.truth, case.made, case.spread))
    return Case(truth, made, spread, np.ones(truth.shape, bool), case.patient)
