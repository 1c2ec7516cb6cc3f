"""``python -m napari_medsynth.cli``: the same as ``medsynth``."""

from .app import main

main()
