"""How soon the bars of the Trust dock follow the slider, and whether the window stands.

The starter on the embedded sample study. Needs a screen:

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/trust.py

Gaps are told as in ``benchmarks/responsiveness.py``: the whole; without the time that
the canvas was being drawn (software OpenGL under Xvfb); and also without napari's own
``add_image`` and Python's garbage collector, which leaves what napari-medsynth makes.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from responsiveness import Clock

if TYPE_CHECKING:
    from napari import Viewer

STEPS = (78, 79, 80, 81, 90, 100, 60)
PATIENCE = 120  # s


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"MEDSYNTH_HOME": home, "NAPARI_CONFIG": f"{home}/napari.yaml"}
        import napari

        viewer = napari.Viewer(show=True)
        viewer.open_sample("napari-medsynth", "brain")
        measure(viewer)
        viewer.close()


def measure(viewer: Viewer) -> None:
    """Open the dock, drag the slider, show maps."""
    import napari_medsynth.widgets.trust  # noqa: F401  # as napari has done by then

    clock = Clock()
    clock.wait(1)
    start = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Trust")
    opened = 1000 * (time.perf_counter() - start)
    print(f"opened in {opened:.0f} ms; torch loaded: {'torch' in sys.modules}")
    box = dock.contribution_box
    print("| what | 95 % | 99 % | longest | without drawing | ours | note |")
    print("|---|---|---|---|---|---|---|")
    clock.watch(lambda: box.form.bars.isEnabled() and not box.is_busy, longest=PATIENCE)
    clock.report("first bars, torch is loaded")
    seconds = []
    for index in STEPS[1:4]:
        seconds.append(_follow(clock, viewer, box, index))
    times = ", ".join(f"{one:.2f}" for one in seconds)
    clock.report("bars of one more slice", f"after {times} s")
    _drag(clock, viewer, box)
    clock.report("slider is dragged over 40 slices")
    box.form.map_button.click()
    clock.watch(lambda: not box.is_busy, longest=PATIENCE)
    clock.report("three maps are added")
    _drag(clock, viewer, box)
    clock.report("slider is dragged, maps shown")
    for index in STEPS[4:]:
        _follow(clock, viewer, box, index)
    clock.report("maps of one more slice")


def _follow(clock: Clock, viewer: Viewer, box: Any, index: int) -> float:
    """Go to a slice and wait for its bars; the seconds from there to the bars."""
    start = time.perf_counter()
    viewer.dims.set_current_step(0, index)
    clock.watch(
        lambda: index in box._tallies and not box.is_busy and box.form.bars.isEnabled(),
        longest=PATIENCE,
    )
    return time.perf_counter() - start


def _drag(clock: Clock, viewer: Viewer, box: Any) -> None:
    """Move the slider every 50 ms, as somebody who looks for something."""
    from qtpy.QtCore import QTimer

    steps = iter(range(60, 100))
    timer = QTimer()
    timer.setInterval(50)

    def step() -> None:
        index = next(steps, None)
        if index is None:
            timer.stop()
        else:
            viewer.dims.set_current_step(0, index)

    timer.timeout.connect(step)
    timer.start()
    clock.watch(lambda: not timer.isActive() and not box.is_busy, longest=PATIENCE)


if __name__ == "__main__":
    main()
