"""What the numbers are called, which way is better, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Metric:
    """One number: its heading, the tooltip that explains it, digits, best direction.

    Parameters
    ----------
    title : str
    meaning : str
        One sentence.
    n_digits : int
        After the point.
    is_higher_better : bool
    """

    title: str
    meaning: str
    n_digits: int
    is_higher_better: bool


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "mae": Metric("MAE", "Mean absolute error.", 4, False),
        "rmse": Metric("RMSE", "Root of the mean squared error.", 4, False),
        "psnr": Metric("PSNR [dB]", "Peak signal-to-noise ratio.", 2, True),
        "ssim": Metric("SSIM", "Structural similarity of slices; 1: equal.", 4, True),
        "ms_ssim": Metric(
            "MS-SSIM",
            "Structural similarity at up to five scales; the coarsest window spans "
            "176 pixels, so that what surrounds a small region counts too.",
            4,
            True,
        ),
        "nmse": Metric(
            "NMSE", "Squared error as a share of the real image's energy.", 4, False
        ),
    }
)


def format_value(name: str, value: float | None) -> str:
    """Write the number of a metric; "" if it is missing, "equal" for infinite PSNR."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "equal"
    n_digits = METRICS[name].n_digits
    # An error of 12.3456 HU says no more than 12.35 does.
    if not METRICS[name].is_higher_better and abs(value) >= 1:
        n_digits = 2
    return f"{value:.{n_digits}f}"


def best_of(name: str, values: Mapping[str, float]) -> str:
    """Give the key of the best value, "" if fewer than two can be compared."""
    known = {key: value for key, value in values.items() if not math.isnan(value)}
    if len(known) < 2:
        return ""
    choose = max if METRICS[name].is_higher_better else min
    return choose(known, key=lambda key: known[key])
