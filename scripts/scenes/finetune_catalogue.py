"""The picture of training a network from fresh weights in docs/tutorials/fine-tune.md.

It learns to double the resolution of T1 images of the simulated cohort of medsynth
sample, by a shortened recipe.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import napari

from napari_medsynth.io import write_volume
from napari_medsynth.simulate import site_studies
from screenshots import SIZE, spin, take, wait_until

MODEL = "edsr-x2"
SHORT = {"epochs": 3, "steps_per_epoch": 120, "batch_size": 8, "patch_size": 48}


def play() -> None:
    """Every scan of a folder is a subject; three epochs; what came of them."""
    with tempfile.TemporaryDirectory() as name:
        for number, study in enumerate(site_studies(5), start=1):
            path = Path(name) / "cohort" / f"subject-{number:02d}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            write_volume(study["T1"], path)
        os.chdir(name)  # the picture shows no path of this machine
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*SIZE)
        _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Fine-tune")
        dock.settle()
        train(dock)
        viewer.layers.selection.clear()
        dock.training.moved_to.emit(dock.verdict_box)
        spin(1)
        take(viewer, "finetune-restoration")
        viewer.close()


def train(dock: object) -> None:
    """Read the folder, choose the network, and train it."""
    dock.learn_box.model_box.choose(MODEL)
    dock.cohort_box.source.choose("folder", "cohort")
    dock.cohort_box.read()
    wait_until(lambda: not dock.cohort_box.reason())
    form = dock.learn_box.form
    form.advanced.expand(animate=False)
    for setting, value in SHORT.items():
        form.fields[setting].value = value
    dock.watch_box.start_button.click()
    wait_until(lambda: not dock.is_busy)
    dock.watch_box.look_button.click()
    spin(1)
