"""The pictures of docs/how-to/trust.md."""

from __future__ import annotations

import napari

from napari_medsynth.widgets.parts.state_chip import State
from screenshots import SIZE, spin, take, wait_until

SLICE = 78


def play() -> None:
    """Synthesise some slices of the sample study's FLAIR, and ask how far to go."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    viewer.dims.set_current_step(0, SLICE)
    _, synthesize = viewer.window.add_plugin_dock_widget(
        "napari-medsynth", "Synthesize"
    )
    synthesize.settle()
    synthesize.modality_table.set_state("FLAIR", State.TARGET)
    synthesize.options_box.set_options(
        {"extent": "selected", "first": SLICE - 8, "last": SLICE + 8}
    )
    synthesize.run()
    wait_until(lambda: not synthesize.is_busy)
    viewer.window.remove_dock_widget(synthesize)
    synthesize.deleteLater()

    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Trust")
    dock.settle()
    contribution(viewer, dock)
    consistency(viewer, dock)
    viewer.close()


def contribution(viewer: napari.Viewer, dock: object) -> None:
    """Bars and a map of the slice; without T2 and PD, what would help."""
    box = dock.contribution_box
    wait_until(lambda: box.form.bars.isEnabled() and not box.is_busy)
    box.form.map_button.click()
    wait_until(lambda: not box.is_busy)
    take(viewer, "trust-contribution")
    box.form.map_button.click()

    for modality in ("T2", "PD"):
        dock.modality_table.set_state(modality, State.IGNORED)
    spin(1)
    wait_until(lambda: box.form.bars.isEnabled() and not box.is_busy)
    take(viewer, "trust-advice")
    for modality in ("T2", "PD"):
        dock.modality_table.set_state(modality, State.SOURCE)


def consistency(viewer: napari.Viewer, dock: object) -> None:
    """The scans made back from the synthetic slice."""
    for title, section in dock.sections.items():
        if title == "Consistency":
            section.expand(animate=False)
        else:
            section.collapse(animate=False)
    box = dock.consistency_box
    box.set_from_json({"extent": "one"})
    spin(1)
    box.run_box.run_button.click()
    wait_until(lambda: not box.is_busy)
    take(viewer, "trust-consistency")
