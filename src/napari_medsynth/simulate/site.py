"""A simulated site: subjects of one scanner whose protocols no model has seen."""

from __future__ import annotations

from collections.abc import Iterator

from napari_medsynth.io import Study

from .signal import Sequence
from .study import ScanSettings, simulate_study

# Short TR, other TE, a FLAIR that does not null all fluid.
SITE_SEQUENCES = {
    "T1": Sequence("spin echo", 700, 25),
    "T2": Sequence("spin echo", 2500, 70),
    "PD": Sequence("spin echo", 2200, 35),
    "FLAIR": Sequence("inversion recovery", 7000, 150, ti=1900),
}
SITE_SETTINGS = ScanSettings(bias=0.12, noise=0.03, is_random_protocol=False)
FIRST_SEED = 810_001  # of no training or test data of ours


def site_studies(n: int, *, first_seed: int = FIRST_SEED) -> Iterator[Study]:
    """Give subjects of a site whose scanner is like none of the starter's training.

    For trying out fine-tuning: other TE, TR and TI, twice the bias field and half
    as much noise again; all else as `simulate_study`.

    Parameters
    ----------
    n : int
        How many subjects.
    first_seed : int
        Of the first one; another number gives other people on the same scanner.
    """
    for seed in range(first_seed, first_seed + n):
        yield simulate_study(seed, settings=SITE_SETTINGS, sequences=SITE_SEQUENCES)
