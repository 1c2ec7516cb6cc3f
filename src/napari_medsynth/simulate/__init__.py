"""Physics: tissue maps -> MR contrasts of made-up subjects; good scans -> worse ones.

numpy and scipy only.
"""

from .anatomy import Anatomy, add_lesions, individual_anatomy, load_anatomy
from .degrade import check_spec, degrade, draw_spec, factor_of, presented
from .degrade_volume import degrade_volume, present_volume
from .low_dose import LowDose
from .signal import (
    Sequence,
    inversion_recovery,
    nulling_time,
    random_sequence,
    spin_echo,
    spoiled_gradient_echo,
    standard_sequence,
)
from .site import site_studies
from .study import MODALITIES, ScanSettings, sample_study, simulate_study
from .tissues import ASLDRO_3T, BRAINWEB_1_5T, TISSUES, Tissue

__all__ = [
    "ASLDRO_3T",
    "BRAINWEB_1_5T",
    "MODALITIES",
    "TISSUES",
    "Anatomy",
    "LowDose",
    "ScanSettings",
    "Sequence",
    "Tissue",
    "add_lesions",
    "check_spec",
    "degrade",
    "degrade_volume",
    "draw_spec",
    "factor_of",
    "individual_anatomy",
    "inversion_recovery",
    "load_anatomy",
    "nulling_time",
    "present_volume",
    "presented",
    "random_sequence",
    "sample_study",
    "simulate_study",
    "site_studies",
    "spin_echo",
    "spoiled_gradient_echo",
    "standard_sequence",
]
