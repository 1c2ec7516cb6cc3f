"""Simulated studies: one made-up subject, several contrasts on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsynth.io import Study, Volume

from .anatomy import FULL, Anatomy, add_lesions, individual_anatomy, load_anatomy
from .artefacts import bias_coefficients, bias_field, point_spread, rician, thick_slices
from .signal import Sequence, random_sequence, standard_sequence
from .tissues import ASLDRO_3T, BRAINWEB_1_5T, TissueTable, jitter_tissues, mix_tables

MODALITIES = ("T1", "T2", "PD", "FLAIR")
SAMPLE_SEED = 2  # grey and white matter differ in all four contrasts
ORIENTATION = "RAS"  # of the files such a study is written to


@dataclass(frozen=True)
class ScanSettings:
    """How far the scans of a simulated subject depart from ideal ones.

    Parameters
    ----------
    deformation : float
        Departure of the anatomy from the average, 0 to about 1.5.
    n_lesions : int
        White-matter lesions.
    bias : float
        Strength of the bias field, about its relative size at the edge.
    noise : float
        Rician noise over the white-matter signal.
    fwhm : float
        In-plane blur [mm].
    thickness : float
        Slice thickness along Z [mm], on the 1 mm grid.
    is_random_protocol : bool
        True: tissues and sequences of a random scanner; False: 3 T and usual timing.
    """

    deformation: float = 1.0
    n_lesions: int = 4
    bias: float = 0.06
    noise: float = 0.02
    fwhm: float = 0.0
    thickness: float = 1.0
    is_random_protocol: bool = True


def simulate_study(
    seed: int,
    *,
    modalities: Ordered[str] = MODALITIES,
    settings: ScanSettings | None = None,
    anatomy: Anatomy | None = None,
    sequences: Mapping[str, Sequence] | None = None,
) -> Study:
    """Simulate one subject.

    Parameters
    ----------
    seed : int
        Another number is another subject on another scanner.
    modalities : sequence of str
        Of "T1", "T2", "PD", "FLAIR".
    settings : ScanSettings, optional
        Anatomy and artefacts.
    anatomy : Anatomy, optional
        A ready brain, used as it is; by default one is made of the average.
    sequences : mapping, optional
        Modality to pulse sequence, for scanners with unusual timing; others are drawn.

    Returns
    -------
    Study
        Brain-extracted volumes on one 1 mm LPS grid, in the units of a scanner (white
        matter about 300 to 1000), with ``metadata["simulated"]`` True.

    Raises
    ------
    ValueError
        If a modality is not one of these.
    """
    settings = settings or ScanSettings()
    rng = np.random.default_rng(seed)
    if anatomy is None:
        anatomy = individual_anatomy(load_anatomy(), rng, strength=settings.deformation)
        anatomy = add_lesions(anatomy, rng, settings.n_lesions)
    table = random_table(rng) if settings.is_random_protocol else ASLDRO_3T
    draw = random_sequence if settings.is_random_protocol else _usual
    given = sequences or {}
    volumes = {
        modality: _scan(
            modality,
            anatomy,
            table,
            given.get(modality) or draw(modality, table, rng),
            settings,
            rng,
        )
        for modality in modalities
    }
    note = f"Simulated from the ICBM 152 tissue maps, seed {seed}."
    return Study(volumes, subject=f"simulated-{seed}", notes=(note,))


def sample_study(seed: int = SAMPLE_SEED) -> Study:
    """Give the sample study: T1, T2, PD and FLAIR of one made-up head, in seconds."""
    return simulate_study(seed)


def random_table(rng: np.random.Generator) -> TissueTable:
    """Draw tissues near 3 T with the spread between subjects and scanners."""
    table = mix_tables(BRAINWEB_1_5T, ASLDRO_3T, rng.uniform(0.6, 1))
    return jitter_tissues(table, rng, spread=0.05)


def _scan(
    modality: str,
    anatomy: Anatomy,
    table: TissueTable,
    sequence: Sequence,
    settings: ScanSettings,
    rng: np.random.Generator,
) -> Volume:
    """Simulate one contrast."""
    image = _mix(anatomy, sequence.signals(table))
    brain = anatomy.brain
    shape = image.shape
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    coefficients = bias_coefficients(rng, strength=settings.bias)
    image *= bias_field(coefficients, axes[0][:, None, None], axes[1][:, None], axes[2])
    image = thick_slices(point_spread(image, settings.fwhm), settings.thickness, 0)
    white = sequence.signal(table["WM"])
    scale = rng.uniform(300, 1000) / white
    values = rician(image[brain], settings.noise * white, rng)
    image[...] = 0
    image[brain] = values * scale
    return Volume(
        image[np.newaxis],
        origin=anatomy.origin,
        orientation=ORIENTATION,
        modality=modality,
        name=modality,
        metadata={"simulated": True, "sequence": vars(sequence)},
    )


def _usual(modality: str, table: TissueTable, rng: np.random.Generator) -> Sequence:
    return standard_sequence(modality, table)


def _mix(anatomy: Anatomy, signals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum the tissues' signals by their shares, shape (Z, Y, X)."""
    return np.tensordot(signals / np.float32(FULL), anatomy.shares, axes=1).astype(
        np.float32
    )
