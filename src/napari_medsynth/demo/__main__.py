"""``python -m napari_medsynth.demo FOLDER``: the window on a virtual screen."""

import sys
from pathlib import Path

from .run import run_in_window

if __name__ == "__main__":
    sys.exit(run_in_window(Path(sys.argv[1]), stays_open=False))
