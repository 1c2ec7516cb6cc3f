"""The pictures of docs/how-to/compare.md."""

from __future__ import annotations

import napari

from napari_medsynth.demo.layers import show_attention
from napari_medsynth.widgets._two_in_one import Mode
from napari_medsynth.widgets.parts.state_chip import State
from screenshots import SIZE, spin, take, wait_until


def play() -> None:
    """Synthesise FLAIR of the sample study, and compare it as a user does."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    _, synthesize = viewer.window.add_plugin_dock_widget(
        "napari-medsynth", "Synthesize"
    )
    synthesize.settle()
    synthesize.modality_table.set_state("FLAIR", State.TARGET)
    synthesize.options_box.set_options({"attention": "rollout"})
    synthesize.run()
    wait_until(lambda: not synthesize.is_busy)
    show_attention(viewer)
    viewer.window.remove_dock_widget(synthesize)

    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Compare")
    dock.settle()
    viewer.dims.set_current_step(0, 78)
    viewer.reset_view()
    spin(1)
    limits = tuple(dock.modes.pair()[1].contrast_limits)
    dock.modes.match_button.click()
    wait_until(lambda: tuple(dock.modes.pair()[1].contrast_limits) != limits)
    dock.modes.difference_button.click()
    wait_until(lambda: not dock.work.differences.is_busy)
    spin(1)
    compare(viewer, dock)
    viewer.close()


def compare(viewer: napari.Viewer, dock: object) -> None:
    """Press one button after the other."""
    dock.grid_button.click()
    wait_until(lambda: not dock.work.stage.is_busy)
    take(viewer, "compare-side-by-side")

    dock.modes.mode_buttons[Mode.SWIPE].click()
    wait_until(lambda: dock.work.two.layer is not None and not dock.work.stage.is_busy)
    take(viewer, "compare-swipe")

    dock.modes.mode_buttons[Mode.CHECKERBOARD].click()
    take(viewer, "compare-checkerboard")

    dock.restore_button.click()
    wait_until(lambda: not dock.work.stage.is_busy)
    for layer in viewer.layers:
        layer.visible = layer.name == "T1"
    dock.ortho_button.click()
    wait_until(lambda: dock.work.ortho is not None and dock.work.ortho.is_ready)
    viewer.dims.point = (0.0, -20.0, 24.0)
    take(viewer, "compare-orthogonal")
