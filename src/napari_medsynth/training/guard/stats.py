"""Paired differences and how sure they are: bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_SUBJECTS = 3  # below, slices are resampled instead
N_RESAMPLES = 9999
LEVEL = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean difference and where it lies with 95 % confidence.

    Parameters
    ----------
    mean : float
        Of the subjects' means.
    low, high : float or None
        Ends of the interval; None if there is too little to resample.
    n : int
        Subjects or slices that were resampled.
    of : {"subjects", "slices"}
        Which.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    of: str

    @property
    def is_above_zero(self) -> bool:
        """Whether all of it is."""
        return self.low is not None and self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Whether all of it is."""
        return self.high is not None and self.high < 0

    def to_json(self) -> dict[str, Any]:
        """Give JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Interval:
        """Read `to_json`'s values."""
        return cls(*(values[key] for key in ("mean", "low", "high", "n", "of")))


def paired_interval(
    differences: Sequence[ArrayLike], *, seed: int = 0
) -> Interval | None:
    """Give the mean of paired differences and its percentile-bootstrap interval [1]_.

    Parameters
    ----------
    differences : sequence of array_like
        One array (n_slices,) per subject; what is not finite does not count.
    seed : int
        Of the resampling; equal seeds give equal intervals.

    Returns
    -------
    Interval or None
        None if nothing counts. Subjects are resampled, each with its mean. If there are
        fewer than `MIN_SUBJECTS`, the slices within each: neighbours look alike and
        other subjects do not, so that interval is too narrow.

    Notes
    -----
    The interval of three to about ten subjects is too narrow as well: at most it spans
    from the lowest to the highest.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani, "An introduction to the bootstrap", 1993.
    """
    arrays = [np.ravel(np.asarray(values, np.float64)) for values in differences]
    finite = [array[np.isfinite(array)] for array in arrays]
    slices = [array for array in finite if array.size]
    if not slices:
        return None
    means = np.array([array.mean() for array in slices])
    is_by_subject = len(slices) >= MIN_SUBJECTS
    samples = [means] if is_by_subject else slices
    low, high = _ends(samples, seed)
    n = sum(sample.size for sample in samples)
    unit = "subjects" if is_by_subject else "slices"
    return Interval(float(means.mean()), low, high, n, unit)


def _ends(
    samples: Sequence[Values], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Resample each sample on its own; the statistic is the mean of their means."""
    if min(sample.size for sample in samples) < 2:
        return None, None
    from scipy.stats import bootstrap  # half a second: only when something is judged

    interval = bootstrap(
        tuple(samples),
        _mean_of_means,
        n_resamples=N_RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _mean_of_means(*samples: Values, axis: int = -1) -> Values:
    means = [sample.mean(axis=axis) for sample in samples]
    return np.asarray(np.mean(means, axis=0))
