"""Whether the window stands still while "How sure?" and "At this site" work.

The starter on the embedded sample study, and on simulated subjects of one site. Needs a
screen:

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/uncertainty.py

Gaps are told as in ``benchmarks/responsiveness.py``: the whole; without the time that
the canvas was being drawn (software OpenGL under Xvfb); and also without napari's own
``add_image`` and ``add_labels`` and Python's garbage collector, which leaves what
napari-medsynth makes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from responsiveness import Clock

if TYPE_CHECKING:
    from napari import Viewer

PATIENCE = 900  # s
LIMITS = range(4, 20)  # %


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", help="folder of subjects; default: simulated ones")
    parser.add_argument("--subjects", type=int, default=3, help="how many to simulate")
    parser.add_argument(
        "--step", type=int, default=16, help="calibrate every n-th slice"
    )
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"MEDSYNTH_HOME": home, "NAPARI_CONFIG": f"{home}/napari.yaml"}
        cohort = wanted.cohort or str(_simulate(Path(home), wanted.subjects))
        import napari

        viewer = napari.Viewer(show=True)
        viewer.window.resize(1500, 950)
        viewer.open_sample("napari-medsynth", "brain")
        viewer.dims.set_current_step(0, 78)
        measure(viewer, cohort, wanted.step, wanted.pictures)
        viewer.close()


def measure(viewer: Viewer, cohort: str, step: int, pictures: Path | None) -> None:
    """Open the dock and press everything."""
    from napari.components import ViewerModel

    clock = Clock()
    clock._time(ViewerModel, "add_labels", "add")
    clock.wait(1)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Trust")
    run = Run(clock, viewer, dock, pictures)
    clock.watch(lambda: dock.is_ready and not run.is_busy(), longest=PATIENCE)
    print("| what | 95 % | 99 % | longest | without drawing | ours | note |")
    print("|---|---|---|---|---|---|---|")
    run.open_only("How sure?")
    clock.watch(lambda: not run.is_busy(), longest=PATIENCE)
    clock.report("section opens", dock.uncertainty_box.form.method_combo.toolTip())
    run.estimate()
    run.site(cohort, step)
    run.calibrated()


class Run:
    """Presses the buttons of one dock."""

    def __init__(
        self, clock: Clock, viewer: Viewer, dock: Any, pictures: Path | None
    ) -> None:
        self.clock, self.viewer, self.dock = clock, viewer, dock
        self.pictures = pictures
        self.box, self.form = dock.uncertainty_box, dock.uncertainty_box.form

    def is_busy(self) -> bool:
        return any(box.is_busy for box in self.dock.boxes().values())

    def open_only(self, *titles: str) -> None:
        for title, section in self.dock.sections.items():
            if title in titles:
                section.expand(animate=False)
            else:
                section.collapse(animate=False)

    def press(self, button: Any, name: str) -> None:
        """Click, wait until all is done, report."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        start = time.perf_counter()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.clock.watch(lambda: not self.is_busy(), longest=PATIENCE)
        self.clock.report(name, f"{time.perf_counter() - start:.1f} s")

    def picture(self, name: str) -> None:
        if self.pictures is not None:
            self.clock.wait(0.6)
            path = str(self.pictures / f"{name}.png")
            self.viewer.screenshot(path, canvas_only=False, flash=False)

    def estimate(self) -> None:
        """Current slice, mean, slider, whole volume cancelled and finished."""
        form = self.form
        self.press(form.run_box.run_button, "current slice, 8 variants")
        self.picture("slice")
        form.mean_box.setChecked(True)
        self.clock.watch(lambda: not self.is_busy())
        self.clock.report("mean is added")
        self.drag("slider of the limit is dragged, one slice")
        form.n_box.setValue(4)
        form.extent_combo.setCurrentIndex(form.extent_combo.findData("volume"))
        form.run_box.run_button.click()
        self.clock.wait(6)
        self.clock.report("volume, for 6 s", form.run_box.status_label.text())
        self.picture("running")
        self.press(form.run_box.cancel_button, "cancel")
        self.picture("cancelled")
        self.press(form.run_box.run_button, "whole volume, 4 variants")
        self.drag("slider of the limit is dragged, whole volume")
        print(form.marked_label.text(), "/", form.statement_label.text())
        self.picture("volume")

    def drag(self, name: str) -> None:
        """Move the slider every 50 ms."""
        from qtpy.QtCore import QTimer

        steps, timer = iter(LIMITS), QTimer()
        timer.setInterval(50)

        def step() -> None:
            limit = next(steps, None)
            if limit is None:
                timer.stop()
            else:
                self.form.limit_slider.setValue(limit)

        timer.timeout.connect(step)
        timer.start()
        self.clock.watch(
            lambda: not timer.isActive() and not self.is_busy(), longest=PATIENCE
        )
        self.clock.report(name)

    def site(self, cohort: str, step: int) -> None:
        """Self-test on the open layers and on a folder; calibration."""
        from qtpy.QtWidgets import QMessageBox

        self.open_only("At this site")
        self.clock.wait(0.3)
        site = self.dock.site_box
        test, calibration = site.self_test_box, site.calibration_box
        test.slices_box.setValue(4)
        self.press(test.run_box.run_button, "self-test of the open layers, 4 slices")
        print(test.summary_label.text(), test.run_box.status_label.text())
        site.subjects_box.source.choose("folder", cohort)
        self.press(test.run_box.run_button, "self-test of a folder, 4 slices")
        self.picture("self-test")
        print(test.summary_label.text(), test.run_box.status_label.text())
        calibration.step_box.setValue(step)
        self.press(calibration.run_box.run_button, f"calibration, one in {step} slices")
        print(
            calibration.statement_label.text(), calibration.run_box.status_label.text()
        )
        self.picture("calibrated")
        test.ask = lambda *_: QMessageBox.StandardButton.Yes
        self.press(test.forget_button, "forget")
        print(test.summary_label.text())

    def calibrated(self) -> None:
        """What the calibration changes above."""
        self.open_only("How sure?")
        self.clock.watch(lambda: not self.is_busy(), longest=PATIENCE)
        self.clock.report("intervals are shown")
        print(self.form.marked_label.text(), "/", self.form.statement_label.text())
        self.drag("slider of the limit is dragged, calibrated")
        self.picture("interval")
        print([layer.name for layer in self.viewer.layers])


def _simulate(home: Path, n: int) -> Path:
    folder = home / "cohort"
    command = [sys.executable, "-m", "napari_medsynth.cli", "sample", str(folder)]
    subprocess.run([*command, "-n", str(n)], check=True, capture_output=True)
    return folder


if __name__ == "__main__":
    main()
