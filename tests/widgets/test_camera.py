"""Every plane is upright and radiological, in the model and on the real canvas."""

import gc
import os
import sys
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_medsynth.io import Volume, layer_tuple
from napari_medsynth.widgets._camera import attach_radiological_camera, on_activate

AXIAL, CORONAL, SAGITTAL = (0, 1, 2), (1, 0, 2), (2, 0, 1)


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 5, 6), np.float32))
    attach_radiological_camera(viewer)
    return viewer


def orientation(viewer):
    return tuple(str(word) for word in viewer.scene.camera.orientation)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (AXIAL, ("away", "down", "right")),
        (CORONAL, ("away", "up", "right")),
        (SAGITTAL, ("towards", "up", "right")),
    ],
)
@pytest.mark.parametrize("ndisplay", [2, 3])
def test_each_plane_has_its_orientation(viewer, order, expected, ndisplay):
    viewer.dims.order = order
    viewer.dims.ndisplay = ndisplay

    assert orientation(viewer) == expected


def test_rolling_goes_round_without_laying_a_plane_on_its_side(viewer):
    seen = []
    for _ in range(4):
        seen.append(viewer.dims.order)
        viewer.dims.roll()

    assert seen == [AXIAL, SAGITTAL, CORONAL, AXIAL]


def test_a_transposition_by_hand_is_left_alone(viewer):
    viewer.dims.order = CORONAL
    viewer.dims.transpose()
    assert viewer.dims.order == (1, 2, 0)

    viewer.dims.transpose()
    assert viewer.dims.order == CORONAL


def test_3d_opens_on_the_face(viewer):
    viewer.dims.ndisplay = 3

    camera = viewer.scene.camera
    np.testing.assert_allclose(camera.view_direction, (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(camera.up_direction, (1, 0, 0), atol=1e-12)


def test_a_turned_3d_view_is_kept(viewer):
    viewer.scene.camera.angles = (5, 10, 15)
    viewer.dims.ndisplay = 3
    assert viewer.scene.camera.angles == (5, 10, 15)

    viewer.dims.ndisplay = 2
    viewer.scene.camera.angles = (0, 0, 0)
    viewer.dims.ndisplay = 3
    assert viewer.scene.camera.angles != (5, 10, 15)


def test_the_vertical_axis_is_found_among_more_than_three(viewer):
    viewer.add_image(np.zeros((2, 4, 5, 6), np.float32))

    assert orientation(viewer) == ("away", "down", "right")
    viewer.dims.order = (0, 2, 1, 3)
    assert orientation(viewer) == ("away", "up", "right")


def test_flat_images_are_left_as_they_are():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((5, 6), np.float32))
    before = orientation(viewer)

    attach_radiological_camera(viewer)

    assert orientation(viewer) == before


def test_attaching_twice_or_through_the_proxy_connects_once(viewer):
    from napari.utils._proxies import PublicOnlyProxy

    n = len(viewer.dims.events.order.callbacks)
    attach_radiological_camera(viewer)
    attach_radiological_camera(PublicOnlyProxy(viewer))

    assert len(viewer.dims.events.order.callbacks) == n


def test_the_camera_does_not_keep_a_viewer_alive():
    viewer = ViewerModel()
    attach_radiological_camera(viewer)
    alive = weakref.ref(viewer)

    del viewer
    gc.collect()

    assert alive() is None


def test_the_camera_comes_with_the_first_file_that_is_opened(monkeypatch):
    viewer = ViewerModel()
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)

    on_activate()

    viewer.add_image(np.zeros((4, 5, 6), np.float32))
    viewer.dims.order = CORONAL
    assert orientation(viewer) == ("away", "up", "right")


def test_reading_without_a_viewer_needs_no_camera(monkeypatch):
    attached = []
    monkeypatch.setattr(
        "napari_medsynth.widgets._camera.attach_radiological_camera", attached.append
    )
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    on_activate()

    monkeypatch.delitem(sys.modules, "napari")
    on_activate()

    assert attached == []


def head_with_a_blob() -> Volume:
    """A dim ellipsoid with a bright ball to superior, anterior, left."""
    shape = (30, 50, 40)
    s, p, left = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    data = np.where(s**2 + p**2 + left**2 < 0.9, 20, 0)
    ball = (s - 0.4) ** 2 + (p + 0.4) ** 2 + (left - 0.4) ** 2 < 0.04
    data = np.where(ball, 100, data).astype(np.float32)
    return Volume(data[np.newaxis], spacing=(3.0, 2.0, 2.0), name="head")


def bright_side(canvas) -> tuple[str, str]:
    """Where the ball is drawn, relative to the head."""
    level = canvas[..., :3].max(axis=-1)
    head, ball = np.argwhere(level > 20), np.argwhere(level > 230)
    assert len(head) > 0.05 * level.size, "the canvas is black"
    assert len(ball) > 0.001 * level.size, "the ball is not drawn"
    down, right = ball.mean(axis=0) - head.mean(axis=0)
    return ("bottom" if down > 0 else "top", "right" if right > 0 else "left")


@pytest.fixture
def window(request):
    """A real napari window; closed afterwards."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        pytest.skip("no DISPLAY: run under xvfb-run")
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        pytest.skip("the offscreen platform draws a black canvas")
    request.getfixturevalue("qtbot")  # only now: without a screen Qt would abort
    import napari

    viewer = napari.Viewer(show=True)
    yield viewer
    viewer.close()


@pytest.mark.gl
def test_the_patient_is_upright_and_not_mirrored_on_the_canvas(window, request):
    qtbot = request.getfixturevalue("qtbot")
    volume = head_with_a_blob()
    data, options, _ = layer_tuple(volume, contrast_limits=(0, 100), rendering="mip")
    window.add_image(data, **options)
    attach_radiological_camera(window)
    window.dims.set_point((0, 1, 2), (60, 30, 54))

    def shown(order, ndisplay):
        window.dims.order, window.dims.ndisplay = order, ndisplay
        window.fit_to_view()
        qtbot.wait(100)
        return bright_side(window.screenshot(canvas_only=True, flash=False))

    assert shown(AXIAL, 2) == ("top", "right")
    assert shown(CORONAL, 2) == ("top", "right")
    assert shown(SAGITTAL, 2) == ("top", "left")
    assert shown(AXIAL, 3) == ("top", "right")  # from the front
    window.scene.camera.angles = (0, 0, 0)
    assert shown(AXIAL, 3) == ("top", "right")  # from the feet
    assert shown(CORONAL, 3) == ("top", "right")
    assert shown(SAGITTAL, 3) == ("top", "left")
