"""LossPlot: curves of a training run, to choose, read and save."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from .colours import COLOURS, colour_of, swatch
from .loss_record import HELD_OUT, LossRecord
from .pace import Pace
from .plain import plain_label, push_button

if TYPE_CHECKING:
    from .loss_canvas import LossCanvas

_PREPARE_AFTER = 200  # ms
_MEASURE_COLOURS = {"psnr": "#cc79a7", "mae": "#9a8c8c"}
_FOLDED = {HELD_OUT + "mae"}  # tells the same as psnr
_EMPTY = "Move the mouse over the curves, or use the arrow keys, to read values."


class LossPlot(QWidget):
    """Losses of training and measures on held-out subjects, live.

    Faint lines are single steps, strong ones the mean of the last 20 or so; the star is
    the epoch whose weights are kept. Feeding events is cheap; they are drawn together,
    and only while the plot is shown. pyqtgraph is imported shortly after the plot is
    first shown.

    Parameters
    ----------
    is_led : bool
        Draw only when `draw` is called, together with what stands around the plot.
    """

    def __init__(self, parent: QWidget | None = None, *, is_led: bool = False) -> None:
        super().__init__(parent)
        self.record = LossRecord()
        self.canvas: LossCanvas | None = None
        self.boxes: dict[str, QCheckBox] = {}
        self._cursor: float | None = None
        self.log_box = QCheckBox("Lo&g scale")
        self.log_box.setToolTip("Show the losses on a logarithmic scale.")
        self.fit_button = push_button("F&it", "Show all steps again, after zooming.")
        self.csv_button = push_button("CSV\N{HORIZONTAL ELLIPSIS}", "Save the numbers.")
        self.png_button = push_button("PNG\N{HORIZONTAL ELLIPSIS}", "Save the picture.")
        self.csv_button.setAccessibleName("Save the losses as CSV")
        self.png_button.setAccessibleName("Save the curves as PNG")
        self.value_label = plain_label("Values under the mouse")
        self.value_label.setText(_EMPTY)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Loss curves")
        self._lay_out()
        self._is_led = is_led
        self._pace = Pace(self.draw, self)
        self._prepare_timer = QTimer(self)
        self._prepare_timer.setSingleShot(True)
        self._prepare_timer.setInterval(_PREPARE_AFTER)
        self._prepare_timer.timeout.connect(self.prepare)
        self.log_box.toggled.connect(self._on_log_toggled)
        self.fit_button.clicked.connect(self._on_fit_clicked)
        self.csv_button.clicked.connect(self._on_csv_clicked)
        self.png_button.clicked.connect(self._on_png_clicked)

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Take a "started", "step" or "epoch" event; others change nothing."""
        kind = event.get("event")
        if kind == "started":
            self.record.cut(int(event.get("step", 0)))
        elif kind == "step":
            self.record.add_step(event)
        elif kind == "epoch":
            self.record.add_epoch(event)
        else:
            return
        self._plan()

    def draw(self) -> None:
        """Draw now all that was told, if the plot has been shown yet."""
        if self.canvas is None:
            return
        self._add_boxes()
        shown = {name: box.isChecked() for name, box in self.boxes.items()}
        self.canvas.draw(self.record, self._colours(), shown)

    def clear(self) -> None:
        """Begin with an empty plot."""
        self.record = LossRecord()
        for box in self.boxes.values():
            self._legend.removeWidget(box)
            box.deleteLater()
        self.boxes = {}
        if self.canvas is not None:
            self.canvas.clear_curves()
        self._show_values(None)

    def prepare(self) -> None:
        """Import pyqtgraph and make the canvas; again, it changes nothing."""
        if self.canvas is not None:
            return
        from .loss_canvas import LossCanvas

        self.canvas = LossCanvas(self)
        self.canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.canvas.setToolTip(
            "Drag to move, Ctrl and the wheel to zoom. Faint: each step; strong: their "
            "running mean; star: the epoch that is kept."
        )
        self.canvas.hovered.connect(self._on_hovered)
        self.canvas.follow_palette(self.palette())
        self.canvas.set_log(self.log_box.isChecked())
        self._layout.insertWidget(1, self.canvas)
        self.draw()

    def save_csv(self, path: Path) -> None:
        """Write all numbers; see `LossRecord.write_csv`."""
        self.record.write_csv(path)

    def save_png(self, path: Path) -> None:
        """Write what is drawn, twice as fine as on the screen."""
        self.prepare()
        self.draw()
        if self.canvas is None or not self.canvas.picture().save(str(path), "PNG"):
            raise OSError(f"{path.name} cannot be written")

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self.canvas is None:
            self._prepare_timer.start()
        else:
            self.draw()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.StyleChange)
        if event is not None and event.type() in kinds and self.canvas is not None:
            self.canvas.follow_palette(self.palette())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None or not self._move_cursor(Qt.Key(event.key())):
            super().keyPressEvent(event)

    def _lay_out(self) -> None:
        tools = QHBoxLayout()
        tools.addWidget(self.log_box, 1)
        for button in (self.fit_button, self.csv_button, self.png_button):
            tools.addWidget(button)
        self._legend = QFlowLayout()
        self._legend.setContentsMargins(0, 0, 0, 0)
        self._legend.setHorizontalSpacing(12)
        self._legend.setVerticalSpacing(0)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addLayout(self._legend)
        self._layout.addWidget(self.value_label)
        self._layout.addLayout(tools)

    def _plan(self) -> None:
        if self.isVisible() and not self._is_led:
            self._pace.ask()

    def _names(self) -> list[str]:
        return [*self.record.names, *(HELD_OUT + m for m in self.record.measures)]

    def _colours(self) -> dict[str, str]:
        losses = self.record.names
        colours = {n: colour_of(i) for i, n in enumerate(losses)}
        measures = self.record.measures
        return colours | {
            HELD_OUT + m: _MEASURE_COLOURS.get(m, COLOURS[2]) for m in measures
        }

    def _add_boxes(self) -> None:
        """Give every new curve its check box: the legend."""
        colours = self._colours()
        for name in self._names():
            if name in self.boxes:
                continue
            box = QCheckBox(_nice(name))
            box.setIcon(swatch(colours[name]))
            box.setChecked(name not in _FOLDED)
            box.setToolTip(f"Show or hide {_nice(name)}.")
            box.toggled.connect(self.draw)
            self._legend.addWidget(box)
            self.boxes[name] = box

    def _move_cursor(self, key: Qt.Key) -> bool:
        """Go to another step with a key; tell whether the key was one of ours."""
        steps = self.record.steps
        if not len(steps):
            return False
        last = len(steps) - 1
        here = last if self._cursor is None else int(steps.searchsorted(self._cursor))
        stride = max(1, len(steps) // 100)
        places = {
            Qt.Key.Key_Left: here - stride,
            Qt.Key.Key_Right: here + stride,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        if key not in places:
            return False
        self._show_values(float(steps[min(max(places[key], 0), last)]))
        return True

    def _on_hovered(self, step: float) -> None:
        self._show_values(None if math.isnan(step) else step)

    def _show_values(self, step: float | None) -> None:
        values = {} if step is None else self.record.at(step)
        self._cursor = values.get("step")
        if self.canvas is not None:
            self.canvas.show_cursor(self._cursor)
        self.value_label.setText(_sentence(values) if values else _EMPTY)
        label = self.value_label  # it only grows: what is below must not jump about
        needed = label.heightForWidth(label.width())
        label.setMinimumHeight(max(label.minimumHeight(), needed))

    def _on_log_toggled(self, is_log: bool) -> None:
        if self.canvas is not None:
            self.canvas.set_log(is_log)

    def _on_fit_clicked(self) -> None:
        if self.canvas is not None:
            self.canvas.fit()

    def _on_csv_clicked(self) -> None:
        self._save("losses.csv", "Numbers (*.csv)", self.save_csv)

    def _on_png_clicked(self) -> None:
        self._save("losses.png", "Picture (*.png)", self.save_png)

    def _save(self, name: str, kind: str, write: Any) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save", name, kind)
        if not chosen:
            return
        path = Path(chosen)
        path = path if path.suffix else path.with_suffix(Path(name).suffix)
        try:
            write(path)
        except OSError as err:
            reason = err.strerror or str(err)
            self.value_label.setText(f"Not saved ({reason}): choose another place.")
        else:
            self.value_label.setText(f"Saved {path.name}.")


def _sentence(values: Mapping[str, float]) -> str:
    """Write the values at one step."""
    numbers = [f"{_nice(name)} {value:.4g}" for name, value in values.items()]
    return " \N{MIDDLE DOT} ".join(numbers)


def _nice(name: str) -> str:
    """Write the name of a loss or measure for people."""
    for measure in ("psnr", "ssim", "mae"):
        name = name.replace(HELD_OUT + measure, HELD_OUT + measure.upper())
    return name.replace("_", " ")
