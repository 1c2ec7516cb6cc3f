"""Run a model on a study. Imports torch: import it when something runs, not before."""

from .intensity import Normalisation, fit_normalisation
from .metrics import compare
from .progress import Progress, Result

__all__ = ["Normalisation", "Progress", "Result", "compare", "fit_normalisation"]
