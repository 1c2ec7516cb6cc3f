"""Physics: tissue maps -> MR contrasts of made-up subjects. numpy and scipy only."""

from .anatomy import Anatomy, add_lesions, individual_anatomy, load_anatomy
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
    "ScanSettings",
    "Sequence",
    "Tissue",
    "add_lesions",
    "individual_anatomy",
    "inversion_recovery",
    "load_anatomy",
    "nulling_time",
    "random_sequence",
    "sample_study",
    "simulate_study",
    "site_studies",
    "spin_echo",
    "spoiled_gradient_echo",
    "standard_sequence",
]
