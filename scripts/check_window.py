"""Exit 1, and print what installs it, if a system library of Qt is missing."""

import sys

from napari_medsynth.doctor import State
from napari_medsynth.doctor.window import examine_window

missing = [finding for finding in examine_window() if finding.state is State.bad]
for finding in missing:
    print(f"{finding.name}: {finding.text}\nThis adds it: {finding.fix}")
sys.exit(bool(missing))
