"""One held-out slice as layers, updated in place."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.widgets._before_after import BeforeAfter
from napari_medsynth.widgets._notice import is_synthetic
from napari_medsynth.widgets._preview_file import read_preview
from napari_medsynth.widgets.parts.modality_table import is_candidate
from widgets.training_events import write_preview

NAMES = [
    "MedSynth: source",
    "MedSynth: truth (T2)",
    "MedSynth: before (T2)",
    "MedSynth: now (T2)",
]


@pytest.fixture
def path(tmp_path):
    return write_preview(tmp_path / "preview.npz")


@pytest.fixture
def shown(viewer, add, path, qtbot):
    """The four layers in a viewer that has T1 and T2 already; T1 is selected."""
    add(viewer, "T1", "T2")
    viewer.layers.selection = {viewer.layers["T1"]}
    shown = BeforeAfter(viewer)
    shown.show(path, model="starter")
    settle(shown, qtbot)
    yield shown
    shown.close()


def settle(shown, qtbot):
    qtbot.waitUntil(lambda: not shown._turns._steps)


def test_four_layers_come_with_the_images(shown, viewer):
    assert [layer.name for layer in viewer.layers][2:] == NAMES
    levels = {role: layer.data.max() for role, layer in shown.layers.items()}
    assert levels == pytest.approx(
        {"source": 0.1, "truth": 1.0, "before": 0.5, "now": 0.75}
    )


def test_selection_camera_and_slice_stay(viewer, add, path, qtbot):
    add(viewer, "T1", "T2")
    viewer.layers.selection = {viewer.layers["T1"], viewer.layers["T2"]}
    viewer.scene.camera.zoom = 3.3
    viewer.scene.camera.center = (0, 4, 5)
    viewer.dims.set_current_step(0, 2)
    camera, step = viewer.scene.camera.model_dump(), viewer.dims.current_step

    shown = BeforeAfter(viewer)
    shown.show(path)
    settle(shown, qtbot)
    shown.show(path)
    settle(shown, qtbot)

    assert viewer.layers.selection == {viewer.layers["T1"], viewer.layers["T2"]}
    assert viewer.scene.camera.model_dump() == camera
    assert viewer.dims.current_step[0] == step[0]


def test_layers_lie_two_by_two_beside_the_others_and_never_overlap(shown, viewer):
    boxes = [layer.extent.world[:, -2:] for layer in shown.layers.values()]
    others = np.max([layer.extent.world[1, -1] for layer in viewer.layers[:2]])
    for number, (low, high) in enumerate(boxes):
        assert low[1] > others
        for other_low, other_high in boxes[number + 1 :]:
            assert (high < other_low).any() or (other_high < low).any()
    tops = [low[0] for low, _ in boxes]
    assert tops[0] == tops[1] < tops[2] == tops[3]


def test_units_and_labels_agree_with_the_other_layers(shown, viewer):
    units = {str(unit) for layer in viewer.layers for unit in layer.units}
    assert len(units) == 1
    assert tuple(shown.layers["now"].axis_labels) == ("P", "L")


def test_only_what_a_model_made_is_synthetic_and_none_is_a_source(shown):
    made = {role: is_synthetic(layer) for role, layer in shown.layers.items()}
    assert made == {"source": False, "truth": False, "before": True, "now": True}
    assert not any(is_candidate(layer) for layer in shown.layers.values())
    known = shown.layers["now"].metadata["medsynth"]
    assert known["provenance"] == {"model": "starter", "is_tuned": True}
    assert known["modality"] == "T2"


def test_the_canvas_says_that_it_is_synthetic(shown, viewer):
    assert viewer.canvas.overlays["medsynth_notice"].visible


def test_an_epoch_changes_the_images_in_place(shown, viewer, path, qtbot):
    now, before = shown.layers["now"], shown.layers["before"]
    array = now.data
    now.contrast_limits = (0.2, 0.9)
    now.visible = False
    now.colormap = "magma"
    refreshed = []
    for layer in (now, before):
        layer.events.set_data.connect(lambda e: refreshed.append(e.source))
    write_preview(path, now=0.9)

    shown.show(path)
    settle(shown, qtbot)

    assert now.data is array
    assert array.max() == pytest.approx(0.9)
    assert tuple(now.contrast_limits) == (0.2, 0.9)
    assert not now.visible
    assert now.colormap.name == "magma"
    assert before not in refreshed
    assert len(viewer.layers) == 6


def test_truth_before_and_now_share_one_window(shown):
    shown.layers["before"].contrast_limits = (0.1, 0.6)
    assert tuple(shown.layers["now"].contrast_limits) == (0.1, 0.6)
    assert tuple(shown.layers["truth"].contrast_limits) == (0.1, 0.6)
    assert tuple(shown.layers["source"].contrast_limits) == (0, 1)


def test_a_removed_layer_stays_away_for_the_run(shown, viewer, path, qtbot):
    viewer.layers.remove(shown.layers["truth"])
    write_preview(path, now=0.2)
    shown.show(path)
    settle(shown, qtbot)
    assert list(shown.layers) == ["source", "before", "now"]
    assert shown.layers["now"].data.max() == pytest.approx(0.2)

    shown.close()
    assert [layer.name for layer in viewer.layers] == ["T1", "T2"]
    shown.show(path)
    settle(shown, qtbot)
    assert list(shown.layers) == ["source", "truth", "before", "now"]


def test_layers_removed_between_two_turns_do_no_harm(viewer, path, qtbot):
    shown = BeforeAfter(viewer)
    shown.show(path)
    shown.close()
    qtbot.wait(20)
    assert len(viewer.layers) == 0


def test_left_layers_stay_and_the_next_run_has_its_own(shown, viewer, path, qtbot):
    shown.abandon()
    assert len(viewer.layers) == 6
    shown.show(path)
    settle(shown, qtbot)
    assert viewer.layers[-1].name == "MedSynth: now (T2) [2]"
    assert len(viewer.layers) == 10


def test_an_empty_viewer_shows_all_four(viewer, path, qtbot):
    shown = BeforeAfter(viewer)
    shown.show(path)
    settle(shown, qtbot)
    center = viewer.scene.camera.center[-2:]
    low, high = viewer.layers.extent.world
    np.testing.assert_allclose(center, (low + high) / 2)
    shown.close()


def test_look_moves_the_camera_to_the_layers(shown, viewer):
    shown.look()
    boxes = np.array([x.extent.world[:, -2:] for x in shown.layers.values()])
    middle = (boxes[:, 0].min(axis=0) + boxes[:, 1].max(axis=0)) / 2
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle)


def test_another_size_of_slice_is_shown_too(shown, path, qtbot):
    write_preview(path, shape=(20, 10))
    shown.show(path)
    settle(shown, qtbot)
    assert shown.layers["now"].data.shape == (20, 10)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 half a file", b"not an archive at all"]
)
def test_a_file_that_cannot_be_read_is_told_and_changes_nothing(
    shown, path, qtbot, content
):
    path.write_bytes(content)
    with qtbot.waitSignal(shown.said) as heard:
        shown.show(path)
    assert "cannot be read" in heard.args[0]
    assert shown.layers["now"].data.max() == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("plane", "top"), [("axial", 0.0), ("coronal", 1.0), ("sagittal", 1.0)]
)
def test_slices_stand_upright(tmp_path, plane, top):
    ramp = np.linspace(0, 1, 12, dtype=np.float32)[:, None] * np.ones(
        (12, 16), np.float32
    )
    path = write_preview(
        tmp_path / "preview.npz",
        plane=np.array(plane),
        **dict.fromkeys(("source", "truth", "before", "now"), ramp),
    )
    assert read_preview(path).images["now"][0, 0] == top


def test_images_of_different_sizes_are_refused(tmp_path):
    odd = np.zeros((3, 3), np.float32)
    path = write_preview(tmp_path / "preview.npz", truth=odd)
    with pytest.raises(VolumeError, match="one size"):
        read_preview(path)
    with pytest.raises(VolumeError, match="cannot be read"):
        read_preview(tmp_path / "missing.npz")
