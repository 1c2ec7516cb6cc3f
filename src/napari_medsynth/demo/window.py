"""The demonstration in a napari window."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medsynth.errors import EngineError, MedSynthError

from .layers import add_results, add_volume, show_as_grid
from .pictures import save_montage, save_volumes
from .scene import TARGET, Scene, hidden_study, play

if TYPE_CHECKING:
    from napari_medsynth.engine import Progress
    from napari_medsynth.io import Study, Volume

Report = Callable[[Scene, list[Path]], None]

SIZE = (1500, 940)  # pixels of the window
SETTLE_MS = 1200  # until the canvas shows what was added


class DemoWindow:
    """A viewer with the sources; the results arrive while one looks.

    Parameters
    ----------
    folder : Path
        Where the files go.
    stays_open : bool
        False: close after the picture is taken.
    """

    def __init__(self, folder: Path, *, stays_open: bool) -> None:
        import napari

        self._folder = folder
        self._stays_open = stays_open
        self._error: Exception | None = None
        self._sources, self._truth = hidden_study()
        self.viewer = napari.Viewer(title="napari-medsynth demo", show=True)
        self.viewer.window.resize(*SIZE)
        for modality in self._sources.modalities:
            add_volume(self.viewer, self._sources[modality])
        self.viewer.window.add_plugin_dock_widget("napari-medsynth", "Synthesize")
        show_as_grid(self.viewer, self._truth, self._truth.shape[0] // 2)

    def run(self, report: Report) -> None:
        """Synthesise in a thread, show and save everything, then wait for the user.

        Raises
        ------
        MedSynthError
            If the model could not be run or a file not be written.
        """
        import napari
        from napari.qt.threading import create_worker

        self._report = report
        worker = create_worker(
            _without_runtime_errors,
            self._sources,
            self._truth,
            _start_thread=False,
            _ignore_errors=True,
        )
        worker.yielded.connect(self._on_yielded)
        worker.returned.connect(self._on_returned)
        worker.errored.connect(self._on_errored)
        worker.start()
        napari.run()
        if self._error is not None:
            raise self._error

    def _on_yielded(self, progress: Progress) -> None:
        self.viewer.status = f"{TARGET}: slice {progress.done} of {progress.total}"

    def _on_returned(self, scene: Scene) -> None:
        from qtpy.QtCore import QTimer

        self._scene = scene
        add_results(self.viewer, scene)
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
            self.viewer.close()

    def _on_errored(self, error: Exception) -> None:
        self._error = error
        self.viewer.close()


def _without_runtime_errors(
    sources: Study, truth: Volume
) -> Generator[Progress, None, Scene]:
    # A Qt generator worker drops a RuntimeError, which most of torch's errors are.
    try:
        return (yield from play(sources, truth))
    except RuntimeError as err:
        raise EngineError(f"The demonstration failed: {err}") from err
