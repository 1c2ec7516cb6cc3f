"""What napari gets from File > Open Sample."""

import numpy as np

from napari_medsynth.io import Study
from napari_medsynth.simulate import hooks


def test_sample_layers_are_one_image_per_contrast(study: Study, monkeypatch):
    monkeypatch.setattr(hooks, "sample_study", lambda: study)

    layers = hooks.sample_layers()

    assert [layer[2] for layer in layers] == ["image"] * 4
    assert [layer[1]["name"] for layer in layers] == ["T1", "T2", "PD", "FLAIR"]
    np.testing.assert_array_equal(layers[0][0], study["T1"].data[0])
    assert tuple(layers[0][1]["scale"]) == study["T1"].spacing
