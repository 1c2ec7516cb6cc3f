"""DnCNN for napari-medsynth: an example of a model from outside."""
