"""``python -m napari_medsynth.cli``: the same as ``medsynth``."""

from . import main

main()
