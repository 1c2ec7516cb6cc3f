"""The pictures of docs/how-to/attention.md."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import napari
import numpy as np
from qtpy.QtWidgets import QScrollArea

from napari_medsynth.catalogue import get_pack, import_pack, write_pack
from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets._attention_ask import ask_at
from screenshots import SIZE, spin, take, wait_until

SLICE = 78
PLACES = ((5.0, -8.0, 22.0), (5.0, 32.0, -22.0))  # S, P, L [mm]
OTHERS = ("Models", "Images", "Query", "Map", "Two models", "Look", "All slices")


def play() -> None:
    """Ask two models about the sample study, and test what they answer."""
    import_disturbed()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    viewer.layers.remove("FLAIR")  # it is what the models paint
    viewer.dims.set_current_step(0, SLICE)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Attention")
    dock.settle()
    spin(2.5)  # the dock looks for models once torch is there
    dock.model_list.choose(["resvit-starter", "starter-disturbed"])
    dock.pair_box.difference_box.setChecked(True)
    queries(viewer, dock)
    charts(viewer, dock)
    viewer.close()


def import_disturbed() -> None:
    """The starter with noise on its weights, as another model."""
    pack, rng = get_pack("resvit-starter"), np.random.default_rng(0)
    weights = {name: disturbed(array, rng) for name, array in pack.weights().items()}
    card = replace(pack.card, id="starter-disturbed", title="Disturbed", sha256="")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disturbed.safetensors"
        write_pack(path, card, weights)
        import_pack(path)


def disturbed(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give weights with noise of a tenth of their spread."""
    if array.dtype.kind != "f" or array.ndim < 2:
        return array
    noise = 0.1 * array.std() * rng.normal(size=array.shape)
    return array + noise.astype(array.dtype)


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
