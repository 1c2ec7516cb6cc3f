"""The demonstration in a napari window, through the Synthesize dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth.errors import EngineError, MedSynthError

from .layers import (
    add_difference,
    add_volume,
    results_of,
    show_as_grid,
    show_attention,
)
from .pictures import save_montage, save_volumes
from .scene import ATTENTION, MODEL, TARGET, Scene, hidden_study, measure

if TYPE_CHECKING:
    from napari_medsynth.widgets.synthesize import SynthesizeWidget

Report = Callable[[Scene, list[Path]], None]

SIZE = (1560, 960)  # pixels of the window
LOOK_EVERY_MS = 100  # whether the dock has finished
SETTLE_MS = 800  # until the canvas shows what was added


class DemoWindow:
    """A viewer with the sample study, in which the dock synthesises `TARGET`.

    Parameters
    ----------
    folder : Path
        Where the files go.
    stays_open : bool
        False: close after the picture is taken.
    """

    def __init__(self, folder: Path, *, stays_open: bool) -> None:
        import napari
        from qtpy.QtCore import QTimer

        self._folder = folder
        self._stays_open = stays_open
        self._error: Exception | None = None
        self._sources, self._truth = hidden_study()
        self.viewer = napari.Viewer(title="napari-medsynth demo", show=True)
        self.viewer.window.resize(*SIZE)
        for modality in self._sources.modalities:
            add_volume(self.viewer, self._sources[modality])
        add_volume(self.viewer, self._truth, name=f"{TARGET} (truth)")
        if "PD" in self.viewer.layers:  # six cells are easier to read than seven
            self.viewer.layers["PD"].visible = False
        self.dock: SynthesizeWidget = self.viewer.window.add_plugin_dock_widget(
            "napari-medsynth", "Synthesize"
        )[1]
        show_as_grid(self.viewer, self._truth, self._truth.shape[0] // 2)
        self._timer = QTimer(self.dock)
        self._timer.setInterval(LOOK_EVERY_MS)
        self._timer.timeout.connect(self._on_timeout)

    def run(self, report: Report) -> None:
        """Press Run, show and save everything, then wait for the user.

        Raises
        ------
        MedSynthError
            If the model could not be run or a file not be written.
        """
        import napari

        self._report = report
        self._fill_in()
        self.dock.run()
        self._timer.start()
        napari.run()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the window; `run` returns."""
        self.viewer.close()

    def _fill_in(self) -> None:
        """Choose in the dock what a user would choose."""
        from napari_medsynth.widgets.parts.state_chip import State

        self.dock.settle()
        self.dock.model_box.choose(MODEL)
        self.dock.modality_table.set_state(TARGET, State.TARGET)
        self.dock.options_box.set_options(
            {"plane": "axial", "extent": "volume", "attention": ATTENTION}
        )

    def _on_timeout(self) -> None:
        """Compare, once the dock is done."""
        from napari.qt.threading import create_worker

        if self.dock.is_busy:
            return
        self._timer.stop()
        synthetic, attention = results_of(self.viewer)
        if synthetic is None or not synthetic.data.any():
            reason = self.dock.reason() or self.dock.run_box.status_label.text()
            self._on_errored(EngineError(reason or "The model gave no image."))
            return
        data = (self._sources, self._truth, synthetic, attention)
        worker = create_worker(measure, *data, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(self._on_measured)
        worker.errored.connect(self._on_errored)
        worker.start()

    def _on_measured(self, scene: Scene) -> None:
        from qtpy.QtCore import QTimer

        self._scene = scene
        add_difference(self.viewer, scene.difference)
        show_attention(self.viewer)  # sources and truth above, what was made below
        show_as_grid(self.viewer, scene.truth, scene.best_slice)
        QTimer.singleShot(SETTLE_MS, self._on_settled)

    def _on_settled(self) -> None:
        """Take the picture, write the files, and leave if nobody is looking."""
        folder, scene = self._folder, self._scene
        window_picture = folder / "window.png"
        try:
            self.viewer.screenshot(str(window_picture), canvas_only=False, flash=False)
            files = [window_picture, save_montage(scene, folder / "montage.png")]
            files += save_volumes(scene, folder)
        except (MedSynthError, OSError) as err:
            self._on_errored(err)
            return
        self._report(scene, files)
        if not self._stays_open:
            self.close()

    def _on_errored(self, error: Exception) -> None:
        self._error = error
        self.close()
