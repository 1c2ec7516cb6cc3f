"""How long it takes from a Shift+click to the maps of the starter, in a real window.

Needs a screen:

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/attention.py

"map" ends when the maps of all models are in their layers, "seen" when the canvas has
been drawn with them: under Xvfb, software draws it, which takes longer than the rest.
"record" is a slice that the slider has rested on, so that the model need not run; "no
record" clicks as soon as another slice is seen. The second model is the
starter with its weights disturbed, as a stand-in for a fine-tuned one.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

LIMIT = 150  # ms, what we promise for the starter on a CPU
FIRST = 60  # slice that the clicks begin on


class Stopwatch:
    """Notes when the dock draws a map and when the canvas has been painted."""

    def __init__(self) -> None:
        from vispy.app.backends._qt import CanvasBackendDesktop

        from napari_medsynth.widgets._attention_cells import AttentionCells

        self.drawn: list[float] = []
        self.painted: list[float] = []
        _note(AttentionCells, "draw", self.drawn)
        _note(CanvasBackendDesktop, "paintGL", self.painted)

    def clear(self) -> None:
        """Forget what was noted."""
        self.drawn.clear()
        self.painted.clear()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=20)
    clicks = parser.parse_args().clicks
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEDSYNTH_HOME"] = home
        os.environ["NAPARI_CONFIG"] = str(Path(home) / "napari.yaml")
        _measure(clicks)


def _measure(clicks: int) -> None:
    import napari
    import torch

    _import_second_model()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 850)
    viewer.open_sample("napari-medsynth", "brain")
    viewer.dims.set_current_step(0, FIRST)
    _wait_a_moment()
    watch = Stopwatch()
    start = time.perf_counter()
    dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Attention")[1]
    opened = 1000 * (time.perf_counter() - start)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load},", end=" ")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(f"The dock opens in {opened:.0f} ms, its module being imported too.\n")
    print(f"The model alone takes {_model_alone():.0f} ms for one slice.\n")
    print("| models | slice | map, median | map, 95 % | seen, median | seen, 95 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for ids in (["resvit-starter"], ["resvit-starter", "resvit-second"]):
        dock.model_list.choose(ids)
        dock.show_button.setChecked(True)
        _wait(lambda: not dock.is_busy)
        for has_record in (True, False):
            times = [
                _click(viewer, dock, watch, number, has_record=has_record)
                for number in range(clicks)
            ]
            _print_row(len(ids), has_record, np.array(times))
    viewer.close()


def _model_alone() -> float:
    """Give the median ms of one slice with all its attention, in this thread."""
    from napari_medsynth.catalogue import get_card
    from napari_medsynth.engine.prepared import prepare_study
    from napari_medsynth.engine.slice_network import SliceNetwork
    from napari_medsynth.explain import record_slice
    from napari_medsynth.simulate import sample_study

    card, times = get_card("resvit-starter"), []
    prepared = prepare_study(sample_study(), card, targets=("FLAIR",))
    network = SliceNetwork(card)
    for index in range(FIRST, FIRST + 8):
        start = time.perf_counter()
        record_slice(prepared, network, index)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def _click(
    viewer: object, dock: object, watch: Stopwatch, number: int, *, has_record: bool
) -> tuple[float, float]:
    """Shift+click somewhere in the head; give ms until drawn and until seen."""
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    n_models = len(dock.model_list.cards())
    if not has_record:
        watch.clear()
        viewer.dims.set_current_step(
            0, FIRST + 1 + number + (40 if n_models > 1 else 0)
        )
        dock._slider_timer.stop()  # or it would be recorded before the click
        _wait(lambda: bool(watch.painted))
    canvas = viewer.window.qt_viewer.canvas.native
    turn = 2.4 * number
    place = QPoint(
        int(canvas.width() / n_models * (0.5 + 0.15 * np.cos(turn))),
        int(canvas.height() * (0.5 + 0.1 * np.sin(turn))),
    )
    QTest.mouseMove(canvas, place)
    watch.clear()
    start = time.perf_counter()
    left, shift = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(canvas, left, shift, place)
    _wait(lambda: len(watch.drawn) >= n_models)
    drawn = watch.drawn[n_models - 1]
    _wait(lambda: any(t > drawn for t in watch.painted))
    seen = next(t for t in watch.painted if t > drawn)
    _wait(lambda: not dock.is_busy)
    return 1000 * (drawn - start), 1000 * (seen - start)


def _print_row(n_models: int, has_record: bool, times: np.ndarray) -> None:
    drawn, seen = (
        " | ".join(f"{np.percentile(column, q):.0f} ms" for q in (50, 95))
        for column in times.T
    )
    late = "" if np.median(times[:, 0]) <= LIMIT else f" (over {LIMIT} ms)"
    name = "record" if has_record else "no record"
    print(f"| {n_models} | {name}{late} | {drawn} | {seen} |", flush=True)


def _import_second_model() -> None:
    from napari_medsynth.catalogue import get_pack, import_pack
    from napari_medsynth.catalogue.pack import write_pack

    pack, rng = get_pack("resvit-starter"), np.random.default_rng(0)
    weights = {
        name: array
        + (0.1 * array.std() * rng.normal(size=array.shape)).astype(array.dtype)
        if array.dtype.kind == "f" and array.ndim > 1
        else array
        for name, array in pack.weights().items()
    }
    card = replace(pack.card, id="resvit-second", title="Second model", sha256="")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "second.safetensors"
        write_pack(path, card, weights)
        import_pack(path)


def _note(owner: type, name: str, times: list[float]) -> None:
    """Write down when calls of a method end."""
    method = getattr(owner, name)

    def noted(*args: object, **options: object) -> object:
        result = method(*args, **options)
        times.append(time.perf_counter())
        return result

    setattr(owner, name, noted)


def _wait_a_moment() -> None:
    end = time.perf_counter() + 2
    _wait(lambda: time.perf_counter() > end)


def _wait(is_done: Callable[[], bool]) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + 120
    while not is_done():
        if time.perf_counter() > end:
            raise SystemExit("not done within 120 s")
        QApplication.processEvents()
        time.sleep(0.001)  # as an event loop does; a busy one would slow the worker


if __name__ == "__main__":
    main()
