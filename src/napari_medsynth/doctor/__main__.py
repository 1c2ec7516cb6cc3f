"""``python -m napari_medsynth.doctor``: the report of ``medsynth doctor``."""

import sys

from . import examine, report

sys.exit(report(examine()))
