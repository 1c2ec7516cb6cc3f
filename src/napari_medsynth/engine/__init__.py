"""Run a model on a study. Imports torch: import it when something runs, not before."""

from .attention import ATTENTION
from .device import available_devices, choose_device, choose_precision
from .intensity import Normalisation, fit_normalisation
from .metrics import compare
from .noise import noise_level, noise_map, residual
from .predict import predict
from .progress import Progress, Result
from .restore import interpolated, restore
from .slices import PLANES
from .weights import fold_batchnorm, load_model

__all__ = [
    "ATTENTION",
    "PLANES",
    "Normalisation",
    "Progress",
    "Result",
    "available_devices",
    "choose_device",
    "choose_precision",
    "compare",
    "fit_normalisation",
    "fold_batchnorm",
    "interpolated",
    "load_model",
    "noise_level",
    "noise_map",
    "predict",
    "residual",
    "restore",
]
