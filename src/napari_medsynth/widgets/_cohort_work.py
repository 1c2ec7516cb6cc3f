"""CohortWork: what goes on behind the Data part, and has to end with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_medsynth.catalogue import user_folder

if TYPE_CHECKING:
    from napari import Viewer

    from ._cohort_read import CohortReading


class CohortWork:
    """A reading, temporary files and a listener.

    Closed once, when the box or the application ends. It is no QObject: when
    ``destroyed`` comes, the widget's children are gone.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._layers = viewer.layers
        self._on_layers: Callable[..., None] | None = None
        self._staging: TemporaryDirectory[str] | None = None
        self.reading: CohortReading | None = None

    def follow(self, listener: Callable[..., None]) -> None:
        """Call `listener` with every event of the layer list until closed."""
        self._on_layers = listener
        self._layers.events.connect(self._on_layers_event)

    def new_staging(self) -> Path:
        """Give an empty folder for the open layers, on the disk of the runs."""
        self._clear()
        user_folder().mkdir(parents=True, exist_ok=True)
        self._staging = TemporaryDirectory(
            prefix="layers-", dir=user_folder(), ignore_cleanup_errors=True
        )
        return Path(self._staging.name)

    def abandon(self) -> None:
        """Stop reading."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.abandon()

    def close(self, *args: object) -> None:
        """Stop all work without touching any widget."""
        if self._on_layers is None:
            return
        self._on_layers = None
        self._layers.events.disconnect(self._on_layers_event)
        self.abandon()
        self._clear()

    def _clear(self) -> None:
        if self._staging is not None:
            self._staging.cleanup()
            self._staging = None

    def _on_layers_event(self, event: Any) -> None:
        if self._on_layers is not None:
            self._on_layers(event)
