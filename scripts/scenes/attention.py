"""The pictures of docs/how-to/attention.md."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import napari
from qtpy.QtWidgets import QScrollArea

from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets._attention_ask import ask_at
from screenshots import SIZE, spin, take, wait_until

SLICE = 78
PLACES = ((5.0, -8.0, 22.0), (5.0, 32.0, -22.0))  # S, P, L [mm]
OTHERS = ("Models", "Images", "Query", "Map", "Two models", "Look", "All slices")


def play() -> None:
    """Ask two models about the sample study, and test what they answer."""
    tune()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    viewer.layers.remove("FLAIR")  # it is what the models paint
    viewer.dims.set_current_step(0, SLICE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Attention")
    dock.settle()
    spin(2.5)  # the dock looks for models once torch is there
    dock.both_button.click()
    dock.pair_box.difference_box.setChecked(True)
    queries(viewer, dock)
    charts(viewer, dock)
    viewer.close()


def tune() -> None:
    """Fine-tune the starter for a few steps on simulated subjects, and keep it."""
    learn = {"epochs": 1, "steps_per_epoch": 6, "batch_size": 4, "learning_rate": 5e-4}
    job = {"id": "starter-site-a", "title": "Starter, site A", "base": "resvit-starter"}
    job |= {"data": {"folder": "studies"}, "learn": learn}
    medsynth = str(Path(sys.executable).with_name("medsynth"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.json").write_text(json.dumps(job))
        run = partial(subprocess.run, check=True, cwd=folder)
        run([medsynth, "sample", "studies", "--subjects", "3"])
        run([medsynth, "finetune", "job.json", "--output", "run", "--keep", "always"])


def queries(viewer: napari.Viewer, dock: object) -> None:
    """A pinned place and another one, models and their difference side by side."""
    dock.set_map_source(MapSource("rollout"))
    dock.ask(ask_at(PLACES[0]))
    settle(dock)
    dock.pin()
    settle(dock)
    dock.ask(ask_at(PLACES[1]))
    settle(dock)
    take(viewer, "attention-queries")


def charts(viewer: napari.Viewer, dock: object) -> None:
    """Heads, paths and honesty, one after the other."""
    dock.pair_box.difference_box.setChecked(False)
    dock.unpin(1)
    for title in OTHERS:
        dock.sections[title].collapse(animate=False)
    parts = dock.charts

    dock.sections["Heads"].expand(animate=False)
    settle(dock)
    parts.head_chart.chosen.emit(MapSource("head", "art_6", 2, 0))
    settle(dock)
    take(viewer, "attention-heads")
    dock.sections["Heads"].collapse(animate=False)

    dock.sections["Paths"].expand(animate=False)
    parts.path_chart.run_box.run_button.click()
    settle(dock)
    dock.findChild(QScrollArea).ensureWidgetVisible(parts.path_chart.save_button)
    take(viewer, "attention-paths")
    dock.sections["Paths"].collapse(animate=False)

    dock.sections["Honesty"].expand(animate=False)
    dock.set_map_source(MapSource("rollout"))
    settle(dock)
    parts.honesty_box.run_box.run_button.click()
    settle(dock)
    take(viewer, "attention-honesty")


def settle(dock: object) -> None:
    """Wait until maps and charts are there."""
    spin(0.5)
    wait_until(lambda: not dock.is_busy and not dock.charts.is_busy)
    spin(0.5)
