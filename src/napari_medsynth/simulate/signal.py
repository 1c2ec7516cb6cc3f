"""Signal equations of spin echo, inversion recovery (FLAIR) and spoiled gradient echo.

The signal of a voxel is the sum of its tissues' signals, weighted by their shares:
partial volume is linear in the signal, not in the relaxation times.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, exp, log, radians, sin

import numpy as np
from numpy.typing import NDArray

from .tissues import TISSUES, Tissue, TissueTable


def spin_echo(tissue: Tissue, *, tr: float, te: float) -> float:
    """Give the spin-echo signal, ``PD (1 - 2 e^-(TR-TE/2)/T1 + e^-TR/T1) e^-TE/T2``.

    Parameters
    ----------
    tissue : Tissue
        Relaxation times [ms] and proton density.
    tr, te : float
        Repetition and echo time [ms].
    """
    recovery = 1 - 2 * exp(-(tr - te / 2) / tissue.t1) + exp(-tr / tissue.t1)
    return tissue.pd * recovery * exp(-te / tissue.t2)


def inversion_recovery(tissue: Tissue, *, tr: float, te: float, ti: float) -> float:
    """Give the magnitude of an inversion-recovery spin echo, such as FLAIR.

    ``PD |1 - 2 e^-TI/T1 + e^-(TR-TE)/T1| e^-TE/T2``, all times [ms].
    """
    recovery = 1 - 2 * exp(-ti / tissue.t1) + exp(-(tr - te) / tissue.t1)
    return tissue.pd * abs(recovery) * exp(-te / tissue.t2)


def nulling_time(t1: float, *, tr: float, te: float) -> float:
    """Give the inversion time [ms] at which a tissue of `t1` [ms] has no signal."""
    return t1 * (log(2) - log(1 + exp(-(tr - te) / t1)))


def spoiled_gradient_echo(
    tissue: Tissue, *, tr: float, te: float, flip: float
) -> float:
    """Give Ernst's spoiled gradient-echo signal; `tr`, `te` [ms], `flip` [degree]."""
    e1 = exp(-tr / tissue.t1)
    angle = radians(flip)
    return (
        tissue.pd
        * sin(angle)
        * (1 - e1)
        / (1 - e1 * cos(angle))
        * exp(-te / tissue.t2star)
    )


@dataclass(frozen=True)
class Sequence:
    """One contrast's pulse sequence.

    Parameters
    ----------
    kind : {"spin echo", "inversion recovery", "gradient echo"}
        Which equation.
    tr, te : float
        Repetition and echo time [ms].
    ti : float
        Inversion time [ms], of inversion recovery only.
    flip : float
        Flip angle [degree], of gradient echo only.

    Raises
    ------
    ValueError
        If `kind` is none of these.
    """

    kind: str
    tr: float
    te: float
    ti: float = 0.0
    flip: float = 90.0

    def __post_init__(self) -> None:
        kinds = ("spin echo", "inversion recovery", "gradient echo")
        if self.kind not in kinds:
            raise ValueError(f"kind must be one of {kinds}, got {self.kind!r}")

    def signal(self, tissue: Tissue) -> float:
        """Give the signal of one tissue."""
        if self.kind == "spin echo":
            return spin_echo(tissue, tr=self.tr, te=self.te)
        if self.kind == "inversion recovery":
            return inversion_recovery(tissue, tr=self.tr, te=self.te, ti=self.ti)
        return spoiled_gradient_echo(tissue, tr=self.tr, te=self.te, flip=self.flip)

    def signals(self, table: TissueTable) -> NDArray[np.float32]:
        """Give the signals of `TISSUES` in their order, shape (4,)."""
        return np.array([self.signal(table[name]) for name in TISSUES], np.float32)


def standard_sequence(modality: str, table: TissueTable) -> Sequence:
    """Give a usual protocol of "T1", "T2", "PD" or "FLAIR".

    FLAIR's inversion time nulls the CSF of `table`.

    Raises
    ------
    ValueError
        For any other modality.
    """
    if modality == "FLAIR":
        ti = nulling_time(table["CSF"].t1, tr=9000, te=120)
        return Sequence("inversion recovery", 9000, 120, ti=ti)
    timing = {"T1": (500, 12), "T2": (4500, 100), "PD": (4500, 15)}
    if modality not in timing:
        raise ValueError(f"modality must be T1, T2, PD or FLAIR, got {modality!r}")
    tr, te = timing[modality]
    return Sequence("spin echo", tr, te)


def random_sequence(
    modality: str, table: TissueTable, rng: np.random.Generator
) -> Sequence:
    """Give a usual protocol of another scanner, with other timing.

    T1 is magnetisation-prepared, written here as an inversion recovery with a short
    echo, which is where the contrast of MPRAGE comes from.
    """
    if modality == "FLAIR":
        tr, te = rng.uniform(8000, 10000), rng.uniform(100, 130)
        null = nulling_time(table["CSF"].t1, tr=tr, te=te)
        return Sequence("inversion recovery", tr, te, ti=null * rng.uniform(0.98, 1.01))
    if modality == "T2":
        return Sequence("spin echo", rng.uniform(4000, 6000), rng.uniform(90, 115))
    if modality == "PD":
        return Sequence("spin echo", rng.uniform(3500, 5500), rng.uniform(10, 20))
    white = table["WM"].t1
    tr, ti = white * rng.uniform(2.4, 2.8), white * rng.uniform(1.25, 1.45)
    return Sequence("inversion recovery", tr, 3.5, ti=ti)
