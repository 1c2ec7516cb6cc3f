"""The pictures of docs/how-to/super-resolve-and-denoise.md.

The radiograph (NIH Clinical Center, ChestX-ray14; no model has learnt from it) and the
CT of a plastic head (dcm_qa_ct, BSD-2) are those of $MEDSYNTH_SHARED; without them,
only the sample study is shown.
"""

from __future__ import annotations

import os
from pathlib import Path

import napari

from screenshots import SIZE, spin, take, wait_until

SHARED = Path(os.environ.get("MEDSYNTH_SHARED", "../shared")) / "data"
XRAY = SHARED / "cxr" / "nih_00000050_000.png"
HEAD = SHARED / "ct" / "phantom_head_recon_triplet" / "bone1mm.nii.gz"
HEART = (0, 620, 330)  # S, P, L [mm]
INSERTS = (766, 105, -5)  # S, P, L [mm]
TEST = "Test on my own image"


def play() -> None:
    """Thick slices of the sample study, a radiograph, and a CT."""
    thick_slices()
    if XRAY.is_file():
        radiograph()
    if HEAD.is_file():
        low_dose()


def thick_slices() -> None:
    """T1 of the sample study in thick slices, and what a model makes of them."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    for name in ("T2", "PD", "FLAIR"):
        viewer.layers.remove(name)
    viewer.dims.order = (1, 0, 2)
    viewer.reset_view()
    dock = opened(viewer, "mr-x2-through-plane", "super-resolution")
    test_and_run(viewer, dock)
    side_by_side(viewer)
    viewer.scene.camera.zoom *= 1.2
    take(viewer, "restore-thick-slices")
    viewer.close()


def radiograph() -> None:
    """A radiograph at half its resolution, and what a model makes of it."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open(XRAY, plugin="napari-medsynth", layer_type="image")
    dock = opened(viewer, "cxr-x2", "super-resolution")
    test_and_run(viewer, dock)
    side_by_side(viewer)
    viewer.scene.camera.center = HEART
    viewer.scene.camera.zoom *= 10
    take(viewer, "restore-radiograph")
    viewer.close()


def low_dose() -> None:
    """Real noise of a CT, taken away, and what that took away."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open(HEAD, plugin="napari-medsynth", layer_type="image")
    (scan,) = viewer.layers
    scan.contrast_limits = (-100, 200)
    dock = opened(viewer, "ct-low-dose", "denoising")
    dock.restore_box.set_options({"has_residual": True})
    dock.sections["Options"].expand(animate=False)
    dock.run()
    wait_until(lambda: not dock.is_busy)
    spin(1)
    viewer.layers[-1].visible = True  # what was taken away
    side_by_side(viewer)
    viewer.scene.camera.center = INSERTS
    viewer.scene.camera.zoom *= 4.5
    take(viewer, "restore-denoise")
    viewer.close()


def opened(viewer: napari.Viewer, model: str, task: str) -> object:
    """The dock with a model chosen."""
    _, dock = viewer.window.add_plugin_dock_widget(
        "napari-medsynth", "Super-resolve and denoise"
    )
    dock.settle()
    dock.model_box.choose(model, task=task)
    if dock.card is None or dock.card.id != model:
        raise SystemExit(f"there is no model {model}")
    spin(1)
    return dock


def test_and_run(viewer: napari.Viewer, dock: object) -> None:
    """Make a worse image, and run the model on it."""
    dock.sections[TEST].expand(animate=False)
    dock.degrade_box.make_button.click()
    wait_until(lambda: not dock.is_busy)
    spin(1)
    dock.run()
    wait_until(lambda: not dock.is_busy)
    spin(1)


def side_by_side(viewer: napari.Viewer) -> None:
    """One layer per cell, in their order."""
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.stride = 1
    viewer.canvas.grid.shape = (1, len(viewer.layers))
    spin(0.5)
    viewer.reset_view()
