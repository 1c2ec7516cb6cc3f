"""Split conformal prediction: from the spread of syntheses to an honest interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine.intensity import fit_normalisation, intensity_spec
from napari_medsynth.engine.metrics import foreground
from napari_medsynth.errors import EngineError
from napari_medsynth.io import Study, Volume
from napari_medsynth.prepare import to_grid

from .calibration import FLOOR, Calibration, patients_needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared

    from .uncertainty import Uncertainty

# Voxels of a patient that are kept: enough for a tenth of a percent.
MAX_VOXELS = 20_000


@dataclass(frozen=True, eq=False)
class Case:
    """A synthesis whose truth is known, all on a scale of 0 to 1.

    Parameters
    ----------
    truth, made, spread : ndarray
        Of one shape, as shares of the target's range; see `case_of`.
    mask : ndarray of bool
        Voxels that count.
    patient : str
        Cases of one patient count once; "": a patient of its own.
    """

    truth: NDArray[np.float32]
    made: NDArray[np.float32]
    spread: NDArray[np.float32]
    mask: NDArray[np.bool_]
    patient: str = ""


def case_of(
    prepared: Prepared,
    found: Uncertainty,
    target: str,
    truth: Volume,
    *,
    patient: str = "",
) -> Case:
    """Put a synthesis and its truth on the scale that calibration needs.

    Both are scaled as the model's card scales images of the target, so that 0 and 1 are
    what the network means by black and white. What counts is the foreground of `truth`
    on the slices that were run.

    Raises
    ------
    VolumeError
        If `truth` has another field of view.
    """
    made = found.mean[target]
    pair = to_grid(Study({"made": made, "truth": truth}), "made")
    real = pair["truth"].data[0]
    spec = intensity_spec(prepared.card.intensity, target)
    normal = fit_normalisation(real, spec)
    unit = prepared.sources.unit_of(target)
    is_run = np.zeros(real.shape, bool)
    np.moveaxis(is_run, prepared.frame.axis, 0)[list(found.slices)] = True
    return Case(
        truth=0.5 * (normal.forward(real) + 1),
        made=0.5 * (unit.forward(made.data[0]) + 1),
        spread=found.spread[target].data[0] / np.float32(found.ranges[target]),
        mask=foreground(real) & is_run,
        patient=patient,
    )


def calibrate(
    cases: Iterable[Case],
    *,
    coverage: float = 0.9,
    confidence: float = 0.9,
    floor: float = FLOOR,
    facts: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Calibration:
    """Find how many spreads wide an interval must be to hold the truth.

    The score of a voxel is |truth - synthesis| / (spread + floor). Voxels of a patient
    resemble each other, so it is patients that are exchangeable: the score of a patient
    is the smallest factor that holds `coverage` of its voxels, and the factor for new
    patients is the ceil((n + 1) * confidence)-th smallest of n such scores [1]_.

    Parameters
    ----------
    cases : iterable of Case
        Looked at one by one, so that they need not be in memory together.
    coverage : float
        Share of a patient's voxels that the interval is to hold.
    confidence : float
        Share of the patients in which it is to do so.
    floor : float
        Share of the range that is added to each spread.
    facts : mapping, optional
        Of the calibration.
    seed : int
        Of the voxels that are drawn from a patient with more than `MAX_VOXELS`.

    Returns
    -------
    Calibration
        With fewer than `patients_needed`, the factor is the quantile over those that
        are there, without guarantee, and `is_valid` is False.

    Raises
    ------
    EngineError
        If no voxel counts, or a share is not between 0 and 1.

    Notes
    -----
    The promise is about patients on average over those that were learnt from, and about
    all voxels of a patient; not about each region. The observed coverage is measured
    with one patient fewer than the factor, and without the correction if they are too
    few for it.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, "A gentle introduction to conformal prediction
       and distribution-free uncertainty quantification", 2021.
       https://arxiv.org/abs/2107.07511
    """
    patients_needed(coverage), patients_needed(confidence)  # are they shares?
    patients = _scores_by_patient(cases, floor, np.random.default_rng(seed))
    if not patients:
        raise EngineError(
            "Nothing to calibrate with: at least one patient with the true image is "
            "needed."
        )
    left_out = _left_out_coverage(patients, coverage, confidence)
    n = len(patients)
    return Calibration(
        factor=factor_for(patients, coverage, confidence),
        coverage=coverage,
        confidence=confidence,
        observed_coverage=float(np.mean(left_out)) if left_out else None,
        lowest_coverage=min(left_out) if left_out else None,
        n_patients=n,
        is_valid=n >= patients_needed(confidence),
        floor=floor,
        facts=dict(facts or {}),
    )


def factor_for(
    patients: Sequence[NDArray[np.float32]], coverage: float, confidence: float
) -> float:
    """Give the factor that holds `coverage` in `confidence` of new patients.

    With the finite-sample correction if there are enough patients for it, else
    without.

    Parameters
    ----------
    patients : sequence of ndarray
        Scores of each patient's voxels.
    coverage, confidence : float
        Shares, as in `calibrate`.
    """
    n = len(patients)
    each = sorted(
        float(np.quantile(scores, coverage, method="inverted_cdf"))
        for scores in patients
    )
    total = n + 1 if n >= patients_needed(confidence) else n
    return each[ceil(total * confidence - 1e-9) - 1]  # 10 * 0.9 is 9, not more


def half_width(
    spread: NDArray[np.float32], calibration: Calibration, *, data_range: float = 1.0
) -> NDArray[np.float32]:
    """Give half the width of the interval at each voxel.

    Parameters
    ----------
    spread : ndarray
        Any shape, in any unit.
    calibration : Calibration
    data_range : float
        Width of the target's range in that unit, `Uncertainty.ranges`.
    """
    floor = np.float32(calibration.floor * data_range)
    return np.asarray(np.float32(calibration.factor) * (spread + floor), np.float32)


def interval(
    made: NDArray[np.float32],
    spread: NDArray[np.float32],
    calibration: Calibration,
    *,
    data_range: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the lower and the upper end of the interval; arguments as `half_width`."""
    half = half_width(spread, calibration, data_range=data_range)
    return made - half, made + half


def _scores_by_patient(
    cases: Iterable[Case], floor: float, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Give the scores of voxels drawn from each patient."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for number, case in enumerate(cases):
        error = np.abs(case.truth[case.mask] - case.made[case.mask])
        scores = error / (case.spread[case.mask] + np.float32(floor))
        scores = scores[np.isfinite(scores)]
        if len(scores) > MAX_VOXELS:
            scores = rng.choice(scores, MAX_VOXELS, replace=False)
        if len(scores):
            found.setdefault(case.patient or f"case {number}", []).append(scores)
    return [np.concatenate(scores) for scores in found.values()]


def _left_out_coverage(
    patients: Sequence[NDArray[np.float32]], coverage: float, confidence: float
) -> list[float]:
    """Give the share of each patient's voxels that the others' interval holds."""
    if len(patients) < 2:
        return []
    factors = (
        factor_for([*patients[:i], *patients[i + 1 :]], coverage, confidence)
        for i in range(len(patients))
    )
    return [
        float(np.mean(scores <= factor))
        for scores, factor in zip(patients, factors, strict=True)
    ]
