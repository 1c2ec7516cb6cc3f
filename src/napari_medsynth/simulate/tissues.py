"""Published relaxation times and proton densities of brain tissues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tissue:
    """What one tissue contributes to an MR signal.

    Parameters
    ----------
    t1, t2, t2star : float
        Relaxation times [ms].
    pd : float
        Proton density, 1 for water.
    """

    t1: float
    t2: float
    t2star: float
    pd: float


TissueTable = Mapping[str, Tissue]

# The order of the maps in `Anatomy`. A lesion is white matter that has lost myelin.
TISSUES = ("CSF", "GM", "WM", "lesion")

#: BrainWeb, 1.5 T: www.bic.mni.mcgill.ca/brainweb/tissue_mr_parameters.txt
BRAINWEB_1_5T: TissueTable = {
    "CSF": Tissue(2569, 329, 58, 1.0),
    "GM": Tissue(833, 83, 69, 0.86),
    "WM": Tissue(500, 70, 61, 0.77),
    "lesion": Tissue(752, 237, 204, 0.76),
}

#: asldro's 3 T values for the ICBM 152 phantom (MIT), densities of BrainWeb; its table
#: has no lesion, which gets BrainWeb's T2 and a T1 longer in the ratio of white matter.
ASLDRO_3T: TissueTable = {
    "CSF": Tissue(3000, 300, 200, 1.0),
    "GM": Tissue(1330, 110, 66, 0.86),
    "WM": Tissue(830, 80, 53, 0.77),
    "lesion": Tissue(1248, 237, 204, 0.76),
}


def jitter_tissues(
    table: TissueTable, rng: np.random.Generator, *, spread: float = 0.1
) -> TissueTable:
    """Give the tissues of another subject: all change, each a little differently.

    Parameters
    ----------
    table : mapping
        Tissue by name.
    rng : Generator
        Source of randomness.
    spread : float
        Standard deviation of the logarithm of the relaxation times that all tissues
        share; each tissue varies by a third of it besides, and so do the densities.
    """
    common = rng.normal(0, [spread, spread, spread, 0])
    return {
        name: Tissue(
            *np.exp(common + rng.normal(0, spread / 3, 4))
            * (tissue.t1, tissue.t2, tissue.t2star, tissue.pd)
        )
        for name, tissue in table.items()
    }


def mix_tables(a: TissueTable, b: TissueTable, share: float) -> TissueTable:
    """Give the geometric mean of two tables, `share` of `b` [0, 1]."""
    return {
        name: Tissue(
            *(
                getattr(a[name], field) ** (1 - share)
                * getattr(b[name], field) ** share
                for field in ("t1", "t2", "t2star", "pd")
            )
        )
        for name in a
    }
