"""How long the window stands still while a volume is synthesised, a model trained.

A 5 ms timer runs in the GUI thread; the gap between two ticks is time in which nothing
else could happen. Needs a screen:

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/responsiveness.py

Three columns tell the longest gap: the whole; without the time that the canvas was
being drawn (software OpenGL under Xvfb); and also without napari's own ``add_image``
and Python's garbage collector, which leaves what napari-medsynth makes. The row "other
process" says what a busy machine does to an idle window.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import wraps
from pathlib import Path

import numpy as np

TICK = 5  # ms
BUSY = """
import torch
image, layer = torch.rand(4, 32, 128, 128), torch.nn.Conv2d(32, 32, 3)
while True:
    layer(image)
"""
IMPORT = """
import sys, threading, time
from napari_medsynth.widgets._torch import load_torch
def plainly():
    import napari_medsynth.engine
target = load_torch if sys.argv[1] == "as the dock does" else plainly
thread = threading.Thread(target=target)
thread.start()
last, longest = time.perf_counter(), 0
while thread.is_alive():
    time.sleep(0.005)
    now = time.perf_counter()
    longest, last = max(longest, now - last), now
print(1000 * longest)
"""


class Clock:
    """Gaps between ticks in the GUI thread, and when canvas or GC were at work."""

    def __init__(self) -> None:
        from napari.components import ViewerModel
        from qtpy.QtCore import Qt, QTimer
        from vispy.app.backends._qt import CanvasBackendDesktop

        self.gaps: list[tuple[float, float]] = []
        self.busy: dict[str, list[tuple[float, float]]] = {"gc": []}
        self._last = self._gc_start = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._on_timeout)
        gc.callbacks.append(self._on_gc)
        self._time(CanvasBackendDesktop, "paintGL", "draw")
        self._time(ViewerModel, "add_image", "add")

    def watch(self, is_done: Callable[[], bool], *, longest: float = 300) -> None:
        """Run the event loop until `is_done`."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop, look = QEventLoop(), QTimer()
        end = time.perf_counter() + longest
        look.setInterval(20)
        look.timeout.connect(
            lambda: loop.quit() if is_done() or time.perf_counter() > end else None
        )
        self.gaps = []
        self._last = time.perf_counter()
        self._timer.start()
        look.start()
        loop.exec()
        self._timer.stop()

    def wait(self, seconds: float) -> None:
        """Run the event loop for a while."""
        end = time.perf_counter() + seconds
        self.watch(lambda: time.perf_counter() > end)

    def report(self, name: str, note: str = "") -> None:
        """Print one row about the last `watch`."""
        whole = 1000 * np.array([end - start for start, end in self.gaps])
        columns = [*np.percentile(whole, [95, 99]), whole.max()]
        columns += [self._longest("draw"), self._longest("draw", "add", "gc")]
        cells = " | ".join(f"{value:.0f}" for value in columns)
        print(f"| {name} | {cells} | {note} |", flush=True)

    def _longest(self, *kinds: str) -> float:
        """Longest gap [ms] without the time that `kinds` took."""
        taken = sorted(interval for kind in kinds for interval in self.busy[kind])

        def left(start: float, end: float) -> float:
            rest, reached = 0.0, start
            for a, b in taken:
                if b > reached and a < end:
                    rest += max(0.0, a - reached)
                    reached = max(reached, b)
            return rest + max(0.0, end - reached)

        return 1000 * max(left(*gap) for gap in self.gaps)

    def _time(self, owner: type, name: str, kind: str) -> None:
        """Write down when a method of napari is at work."""
        method, self.busy[kind] = getattr(owner, name), []

        @wraps(method)
        def timed(*args: object, **options: object) -> object:
            start = time.perf_counter()
            try:
                return method(*args, **options)
            finally:
                self.busy[kind].append((start, time.perf_counter()))

        setattr(owner, name, timed)

    def _on_timeout(self) -> None:
        now = time.perf_counter()
        self.gaps.append((self._last, now))
        self._last = now

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_start = time.perf_counter()
        else:
            self.busy["gc"].append((self._gc_start, time.perf_counter()))


def phantom(shape: tuple[int, int, int], level: float) -> np.ndarray:
    """Nested ellipsoids with noise, (Z, Y, X)."""
    axes = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    radius = np.sqrt(0.5 * z**2 + y**2 + x**2)
    noise = np.random.default_rng(0).normal(0, 10, shape).astype(np.float32)
    return (radius < 0.9) * (level * (1 + np.cos(9 * radius)) + noise)


@contextmanager
def busy_process() -> Iterator[None]:
    """Another process convolves with all cores meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    time.sleep(3)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def report_imports() -> None:
    """Print what importing the engine, and torch with it, does to another thread."""
    for how in ("plainly", "as the dock does"):
        command = [sys.executable, "-c", IMPORT, how]
        runs = [subprocess.run(command, capture_output=True, check=True) for _ in "123"]
        longest = sorted(float(run.stdout) for run in runs)[1]
        print(f"| importing torch, {how} | | | {longest:.0f} | | | median of 3 |")


def measure(
    shape: tuple[int, int, int], arguments: argparse.Namespace, folder: Path
) -> None:
    """Print the rows about a window."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 900)
    clock = Clock()
    for name, level in (("T1", 400), ("T2", 700)):
        limits = (0, 2 * level)
        viewer.add_image(phantom(shape, level), name=name, contrast_limits=limits)
    clock.wait(2)
    clock.wait(4)
    clock.report("idle window")
    with busy_process():
        clock.wait(4)
    clock.report("idle window, other process computes")
    report_label(viewer, clock)

    if arguments.only != "fine-tune":
        measure_synthesize(viewer, clock, arguments.model)
    if arguments.only != "synthesize":
        measure_finetune(viewer, clock, folder / "subjects", arguments.epochs)
    viewer.close()
    clock.wait(0.5)


def measure_synthesize(viewer, clock: Clock, model: str) -> None:
    """Print the rows about the Synthesize dock."""
    from napari_medsynth.widgets.synthesize import SynthesizeWidget

    start = time.perf_counter()
    dock = SynthesizeWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Synthesize")
    opened = 1000 * (time.perf_counter() - start)
    has_torch = "with" if "torch" in sys.modules else "without"
    clock.wait(1)
    clock.report("dock opens", f"{opened:.0f} ms until shown, {has_torch} torch")
    dock.model_box.choose(model)
    report_runs(viewer, dock, clock)


def report_runs(viewer, dock, clock: Clock) -> None:
    """Print the rows about live preview and whole volumes."""
    from qtpy.QtCore import QTimer

    from napari_medsynth.widgets._torch import load_torch
    from napari_medsynth.widgets.parts.state_chip import State

    thread = threading.Thread(target=load_torch)
    thread.start()
    clock.watch(lambda: not thread.is_alive())
    clock.report("torch is loaded in the background")
    dock.modality_table.set_state("PD", State.IGNORED)
    start = time.perf_counter()
    dock.preview_box.setChecked(True)
    preview = "FLAIR (preview)"
    clock.watch(lambda: preview in viewer.layers, longest=30)
    waited = 1000 * (time.perf_counter() - start)
    clock.report("first live slice", f"{waited:.0f} ms after the click")
    for index in range(10, 20):
        QTimer.singleShot(
            100 * (index - 10), lambda i=index: viewer.dims.set_current_step(0, i)
        )
    clock.wait(2)
    clock.report("live preview while scrolling")
    dock.preview_box.setChecked(False)
    for attention in ("", "rollout"):
        dock.options_box.set_options({"attention": attention})
        QTimer.singleShot(0, dock.run)
        clock.watch(lambda: dock.is_busy)
        before = clock.gaps
        clock.watch(lambda: not dock.is_busy)
        clock.gaps = before + clock.gaps
        name = f"whole volume{', with attention' if attention else ''}"
        clock.report(name, dock.run_box.status_label.text())


def report_label(viewer, clock: Clock) -> None:
    """Print a row about a text that changes: Qt draws the whole window anew for it."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QLabel

    label, timer = QLabel("0"), QTimer()
    dock = viewer.window.add_dock_widget(label, name="label")
    timer.timeout.connect(lambda: label.setText(str(int(label.text()) + 1)))
    clock.wait(1)
    timer.start(250)
    clock.wait(4)
    timer.stop()
    clock.report("idle window, a label changes four times a second")
    viewer.window.remove_dock_widget(dock)


def write_subjects(folder: Path) -> None:
    """Write the sample study as two subjects, at two noise levels."""
    from napari_medsynth.io.write import write_volume
    from napari_medsynth.simulate import sample_study

    study = sample_study()
    for name in ("sub-1", "sub-2"):
        for modality in study.modalities:
            path = folder / name / f"{modality}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_volume(study[modality], path)


def measure_finetune(viewer, clock: Clock, folder: Path, n_epochs: int) -> None:
    """Print the rows about a training run in the Fine-tune dock."""
    from qtpy.QtCore import QTimer

    start = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Fine-tune")
    opened = 1000 * (time.perf_counter() - start)
    clock.wait(4)  # with what is loaded in the background
    clock.report("Fine-tune dock opens", f"{opened:.0f} ms until shown")
    write_subjects(folder)
    dock.cohort_box.source.choose("folder", str(folder))
    settings = {"epochs": n_epochs, "steps_per_epoch": 20, "batch_size": 2}
    dock.learn_box.form.set_from_json({**dock.learn_box.form.to_json(), **settings})
    QTimer.singleShot(0, dock.cohort_box.read)
    clock.wait(0.5)
    before = clock.gaps
    clock.watch(lambda: "being read" not in dock.reason())
    clock.gaps = before + clock.gaps
    clock.report("fine-tune: subjects are read", dock.cohort_box.summary_label.text())
    QTimer.singleShot(0, dock.training.start)
    clock.watch(lambda: dock.is_busy)
    for name, is_done in (
        ("first step", lambda: dock.training.pace is not None),
        ("epochs come in", lambda: bool(dock.training._verdict)),
    ):
        clock.watch(lambda done=is_done: done() or not dock.is_busy, longest=900)
        clock.report(f"fine-tune: {name}", dock.watch_box.facts_label.text())
    clock.watch(lambda: not dock.is_busy)
    clock.report("fine-tune: verdict", dock.watch_box.state_label.text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(150, 256, 256))
    parser.add_argument("--model", default="resvit-starter", help="id of a model")
    parser.add_argument("--epochs", type=int, default=4, help="of fine-tuning")
    parser.add_argument("--only", choices=("synthesize", "fine-tune"))
    arguments = parser.parse_args()
    print(f"{date.today()}, {platform.platform()}, {os.cpu_count()} cores, load")
    print(f"{os.getloadavg()[0]:.1f} at the start, volume {tuple(arguments.shape)}\n")
    print("| gaps of the event loop [ms] | p95 | p99 | max | not drawing | ours | |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDSYNTH_HOME"] = folder
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        if arguments.only != "fine-tune":
            report_imports()
        measure(tuple(arguments.shape), arguments, Path(folder))


if __name__ == "__main__":
    main()
