"""CohortSource: a folder of subjects, or the layers that are open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QMimeData, QSignalBlocker, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_medsynth.widgets._layers import layer_modality
from napari_medsynth.widgets._notice import is_synthetic
from napari_medsynth.widgets._open_layers import SUBJECT

from .layer_picks import LayerPicks
from .layer_slots import LayerSlots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.layers import Layer

FOLDER, LAYERS = "folder", "layers"


class CohortSource(QWidget):
    """Asks where the scans are; a folder may also be dropped here.

    Signals: `changed` when anything else is chosen; `chosen` when it was chosen so
    plainly (browsed, dropped, Enter) that it can be read at once.
    """

    changed = Signal()
    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind_combo = QComboBox()
        self.kind_combo.addItem("Folder", FOLDER)
        self.kind_combo.addItem("Open layers", LAYERS)
        self.kind_combo.setToolTip(
            "Folder: a BIDS data set, or one folder per subject. Open layers: the "
            "scans of the one subject on the screen."
        )
        self.path_edit = QLineEdit()
        self.path_edit.setPlaceholderText("Drop a folder here")
        self.path_edit.setToolTip(
            "BIDS data set, or a folder with one folder per subject; names such as T1, "
            "t2w or FLAIR tell the contrasts."
        )
        self.path_edit.setAccessibleName("Folder of the subjects")
        self.path_edit.setAcceptDrops(False)  # it would write the address as text
        self.browse_button = QPushButton("Browse\N{HORIZONTAL ELLIPSIS}")
        self.browse_button.setToolTip("Choose the folder of the subjects.")
        self.slots = LayerSlots()
        self.picks = LayerPicks()
        self._good = ""  # what is learnt from single images
        self.ask_folder: Callable[..., str] = QFileDialog.getExistingDirectory
        self.setAcceptDrops(True)
        self._lay_out()
        self.kind_combo.activated.connect(self._on_kind_activated)
        self.path_edit.textEdited.connect(self.changed)
        self.path_edit.returnPressed.connect(self.chosen)
        self.browse_button.clicked.connect(self.browse)
        self.slots.changed.connect(self._on_layers_changed)
        self.picks.changed.connect(self._on_layers_changed)

    @property
    def kind(self) -> str:
        """`FOLDER` or `LAYERS`."""
        return str(self.kind_combo.currentData())

    @property
    def folder(self) -> str:
        """The folder as an absolute path, "" if none is named."""
        text = self.path_edit.text().strip()
        return str(Path(text).expanduser().absolute()) if text else ""

    def set_contrasts(self, contrasts: Sequence[str], *, good: str = "") -> None:
        """Say what a subject has; `good`: every image of that is a subject."""
        self._good = good
        self.slots.set_contrasts(() if good else contrasts)
        self.picks.set_contrast(good)
        self._show_kind()

    def set_layers(self, layers: Sequence[Layer]) -> None:
        """Say what is open."""
        self.slots.set_layers(layers)
        self.picks.set_layers(layers)

    def subjects(self) -> dict[str, dict[str, Layer]]:
        """Give the layers of each open subject, by contrast."""
        if self._good:
            picked = self.picks.layers()
            return {name: {self._good: layer} for name, layer in picked.items()}
        return {SUBJECT: self.slots.layers()}

    def contrasts(self) -> tuple[str, ...]:
        """Give the contrasts of all real images that are open."""
        real = (x for x in self.picks.boxes if not is_synthetic(x))
        return tuple(dict.fromkeys(filter(None, map(layer_modality, real))))

    def why_no_subject(self) -> str:
        """Say why the open layers are not enough; "" if they are."""
        if self._good:
            is_enough = bool(self.picks.layers())
            return "" if is_enough else "Open an image to learn from, and tick it."
        is_enough = len(self.slots.layers()) > 1
        return (
            ""
            if is_enough
            else "Open the scans of one subject, at least two contrasts."
        )

    def choose(self, kind: str, folder: str | None = None) -> None:
        """Choose a kind and a folder, without reading it."""
        index = self.kind_combo.findData(kind)
        with QSignalBlocker(self.kind_combo):
            self.kind_combo.setCurrentIndex(max(index, 0))
        if folder is not None:
            self.path_edit.setText(folder)
        self._on_kind_activated()

    def browse(self) -> None:
        """Ask for the folder."""
        folder = self.ask_folder(self, "Folder of the subjects", self.folder)
        if folder:
            self.choose(FOLDER, folder)
            self.chosen.emit()

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and dropped_folder(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        folder = dropped_folder(event.mimeData()) if event is not None else ""
        if event is not None and folder:
            event.acceptProposedAction()
            self.choose(FOLDER, folder)
            self.chosen.emit()

    def _lay_out(self) -> None:
        self._line = QWidget()
        line = QHBoxLayout(self._line)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.path_edit, 1)
        line.addWidget(self.browse_button)
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._form.addRow("Sub&jects", self.kind_combo)
        self._form.addRow(self._line)
        self._form.addRow(self.slots)
        self._form.addRow(self.picks)
        self._show_kind()

    def _show_kind(self) -> None:
        self._form.setRowVisible(self._line, self.kind == FOLDER)
        is_open, is_single = self.kind == LAYERS, bool(self._good)
        self._form.setRowVisible(self.slots, is_open and not is_single)
        self._form.setRowVisible(self.picks, is_open and is_single)

    def _on_kind_activated(self) -> None:
        self._show_kind()
        self.changed.emit()

    def _on_layers_changed(self) -> None:
        if self.kind == LAYERS:
            self.changed.emit()


def dropped_folder(data: QMimeData | None) -> str:
    """Give the folder that is being dropped, "" if it is anything else."""
    urls = data.urls() if data is not None and data.hasUrls() else []
    path = Path(urls[0].toLocalFile()) if len(urls) == 1 else None
    return str(path) if path is not None and path.is_dir() else ""
