"""What a layer is to a comparison."""

import numpy as np

from napari_medsynth.io import Volume
from napari_medsynth.widgets._layers import like, over, volume_from_layer
from napari_medsynth.widgets._roles import Role, shown_layers


def made(viewer, modality, **known):
    facts = {"synthetic": True, "modality": modality, **known}
    facts.setdefault("provenance", {"model": "m", "model_title": "Model M"})
    return viewer.add_image(
        np.zeros((2, 3, 4)), name=f"{modality} made", metadata={"medsynth": facts}
    )


def test_every_layer_has_its_role(viewer, add):
    add(viewer, "T1", "FLAIR")
    made(viewer, "FLAIR")
    made(viewer, "", role="attention")
    viewer.add_labels(np.zeros((2, 3, 4), int))

    shown = shown_layers(viewer.layers)

    assert [(s.role, s.modality) for s in shown] == [
        (Role.SOURCE, "T1"),
        (Role.TRUTH, "FLAIR"),
        (Role.SYNTHESIS, "FLAIR"),
        (Role.ATTENTION, ""),
        (Role.OTHER, ""),
    ]
    assert [s.model for s in shown] == ["", "", "Model M", "Model M", ""]


def test_a_preview_makes_no_truth(viewer, add):
    add(viewer, "FLAIR")
    made(viewer, "FLAIR", role="preview")
    assert [s.role for s in shown_layers(viewer.layers)] == [Role.SOURCE, Role.OTHER]


def test_a_coarse_map_lies_over_a_layer_in_other_units(viewer):
    layer = viewer.add_image(
        np.zeros((2, 8, 8)), scale=(0.3, 0.1, 0.1), translate=(1, 2, 3), units="cm"
    )
    reference = volume_from_layer(layer)
    coarse = Volume(
        np.zeros((1, 2, 2, 2), np.float32),
        spacing=(3.0, 4.0, 4.0),
        origin=(10.0, 21.5, 31.5),
    )
    place = over(coarse, reference, like(layer))

    np.testing.assert_allclose(place["scale"], (0.3, 0.4, 0.4), rtol=1e-5)
    np.testing.assert_allclose(place["translate"], (1.0, 2.15, 3.15), rtol=1e-5)
    assert place["units"] == tuple(layer.units)
