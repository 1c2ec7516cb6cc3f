"""The only code that imports Qt or napari: one dock widget per file."""
