"""Compare: sources, synthesis, truth, difference and attention, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from ._compare_work import CompareWork
from ._dock import Dock
from ._roles import Role
from ._two_in_one import Look, Mode
from .parts.compare_modes import CompareModes
from .parts.cursor_table import CursorTable
from .parts.metrics_box import MetricsBox
from .parts.pane_list import PaneList
from .parts.plain import plain_label, push_button
from .parts.window_box import WindowBox

if TYPE_CHECKING:
    from napari import Viewer

_NOT_LINKED = (Role.DIFFERENCE, Role.ATTENTION, Role.TRUST)


class CompareWidget(Dock):
    """Choose images, put them side by side or over one another, measure.

    Parameters
    ----------
    napari_viewer : Viewer
        Filled in by napari.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(napari_viewer, "compare", parent)
        self.work = CompareWork(napari_viewer)
        self.pane_list = PaneList()
        self.modes = CompareModes()
        self.status_label = plain_label("What happened last")
        self.status_label.hide()
        self._make_buttons()
        self._column.insertWidget(0, self.status_label)
        self.add_section("Side by side", self.pane_list, self._buttons)
        self.add_section("Two in one picture", self.modes)
        self.cursor_table = CursorTable(napari_viewer)
        self.window_box = WindowBox(napari_viewer)
        self.metrics_box = MetricsBox(napari_viewer)
        self.add_section("Under the cursor", self.cursor_table)
        self.add_section("Window and level", self.window_box, is_open=False)
        self.add_section("Numbers", self.metrics_box, is_open=False)
        self._on_layers_changed()
        self._on_stage_changed()
        self._connect()
        self.on_close(self.work.close)

    def to_json(self) -> dict[str, Any]:
        kept = {name: box.to_json() for name, box in self._boxes().items()}
        return {**kept, "is_linked": self.link_box.isChecked()}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        for name, box in self._boxes().items():
            kept = values.get(name)
            box.set_from_json(kept if isinstance(kept, dict) else {})
        if isinstance(values.get("is_linked"), bool):
            self.link_box.setChecked(values["is_linked"])

    def say(self, sentence: str) -> None:
        """Show a sentence above the sections; "" shows none."""
        self.status_label.setText(sentence)
        self.status_label.setVisible(bool(sentence))

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.work.set_window(self.window())

    def _boxes(self) -> dict[str, Any]:
        """Give the parts with choices of their own that are remembered."""
        return {
            "modes": self.modes,
            "cursor": self.cursor_table,
            "window": self.window_box,
            "numbers": self.metrics_box,
        }

    def _make_buttons(self) -> None:
        self.grid_button = push_button(
            "&Side by side", "One cell of the canvas for each checked image."
        )
        self.restore_button = push_button(
            "&Undo", "Show all layers as they were before they were compared."
        )
        self.ortho_button = push_button(
            "&Orthogonal views",
            "The other two planes beside each other, at the same point. Click to move.",
        )
        self.ortho_button.setCheckable(True)
        self.link_box = QCheckBox("L&ink window and level")
        self.link_box.setToolTip(
            "Brighter or darker in one checked image is so in all of them, each in its "
            "own window; maps and differences are left alone."
        )
        self._buttons = QWidget()
        rows = QVBoxLayout(self._buttons)
        rows.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        row.addWidget(self.grid_button, 2)
        row.addWidget(self.restore_button, 1)
        rows.addLayout(row)
        rows.addWidget(self.ortho_button)
        rows.addWidget(self.link_box)

    def _connect(self) -> None:
        work, two = self.work, self.work.two
        self.grid_button.clicked.connect(self._on_grid_clicked)
        self.restore_button.clicked.connect(self._on_restore_clicked)
        self.ortho_button.clicked.connect(self._on_ortho_clicked)
        self.link_box.toggled.connect(self._on_link_toggled)
        self.pane_list.changed.connect(self._on_panes_changed)
        self.modes.mode_chosen.connect(self._on_mode_chosen)
        self.modes.look_changed.connect(self._on_look_changed)
        self.modes.pair_changed.connect(self._on_pair_changed)
        self.modes.match_clicked.connect(self._on_match_clicked)
        work.match.matched.connect(self._on_matched)
        work.match.said.connect(self.say)
        self.modes.difference_clicked.connect(self._on_difference_clicked)
        self.modes.range_changed.connect(self._on_range_changed)
        for box in (self.cursor_table, self.window_box, self.metrics_box):
            box.changed.connect(self.remember)
        work.layers_changed.connect(self._on_layers_changed)
        work.key_pressed.connect(self._on_key_pressed)
        work.ortho_closed.connect(self._on_ortho_closed)
        work.stage.changed.connect(self._on_stage_changed)
        work.stage.said.connect(self.say)
        work.stage.taken.connect(self._end_two)
        work.differences.made.connect(self._on_difference_made)
        work.differences.said.connect(self.say)
        two.said.connect(self.say)
        two.moved.connect(self.modes.set_position)
        two.ended.connect(self._on_two_ended)

    def _on_layers_changed(self) -> None:
        self.pane_list.set_layers(self.work.model.layers)
        self.modes.set_panes(self.pane_list.images())
        self.grid_button.setEnabled(bool(self.pane_list.chosen()))
        self._link()

    def _on_panes_changed(self) -> None:
        """Follow a check box at once if the panes are on the canvas."""
        self.grid_button.setEnabled(bool(self.pane_list.chosen()))
        self._link()
        if self.work.stage.has_grid:
            self._on_grid_clicked()

    def _on_grid_clicked(self) -> None:
        self.say("")
        self._end_two()
        self.work.stage.side_by_side(self.pane_list.chosen(), self.pane_list.anatomy())

    def _on_restore_clicked(self) -> None:
        self.say("")
        self._end_two()
        self.work.stage.restore()

    def _on_stage_changed(self) -> None:
        self.restore_button.setEnabled(self.work.stage.is_arranged)

    def _on_mode_chosen(self, mode: Mode | None) -> None:
        pair = self.modes.pair()
        if mode is None or pair is None:
            self._on_restore_clicked()
            return
        self.say("")
        self.work.two.start(*pair, self.modes.look(mode))

    def _on_pair_changed(self) -> None:
        if self.modes.mode is not None:
            self._on_mode_chosen(self.modes.mode)

    def _on_look_changed(self, look: Look) -> None:
        if self.work.two.is_on:
            self.work.two.set_look(look)
        self.remember()

    def _on_key_pressed(self) -> None:
        """Flip the two images; the first time, begin with it."""
        if self.modes.pair() is None:
            return
        self.modes.stop_automatic()
        if self.modes.mode is Mode.FLICKER and self.work.two.is_on:
            self.work.two.flip()
            return
        self.modes.set_mode(Mode.FLICKER)
        self._on_mode_chosen(Mode.FLICKER)

    def _on_two_ended(self) -> None:
        self.modes.set_mode(None)
        self.work.stage.restore()

    def _on_match_clicked(self) -> None:
        pair = self.modes.pair()
        if pair is not None:
            self.say("")
            self.work.match.start(*pair)

    def _on_matched(self, layer: Image, limits: tuple[float, float]) -> None:
        """Set the window of one layer alone, also if it is linked."""
        self.work.link.unlink()
        layer.contrast_limits = limits
        self._link()

    def _on_difference_clicked(self) -> None:
        pair = self.modes.pair()
        if pair is not None:
            self.say("")
            self.work.differences.start(*pair)

    def _on_difference_made(self, layer: Image) -> None:
        """Give the new layer a cell, or show it alone."""
        if self.work.stage.has_grid:
            self._on_layers_changed()
            self._on_grid_clicked()
        elif self.work.two.is_on:
            self._on_restore_clicked()
        self.say(
            "In the difference blue is darker, red is brighter, black is the same. If "
            "it is all of one colour, match the windows and make it again."
        )

    def _on_range_changed(self, share: float) -> None:
        self.work.differences.set_range(share)
        self.remember()

    def _on_link_toggled(self, is_linked: bool) -> None:
        self._link()
        self.remember()

    def _link(self) -> None:
        layers = [
            pane.layer
            for pane in self.pane_list.chosen()
            if pane.role not in _NOT_LINKED and isinstance(pane.layer, Image)
        ]
        if not self.link_box.isChecked():
            self.work.link.unlink()
        elif tuple(layers) != self.work.link.layers:
            self.work.link.link(layers)

    def _on_ortho_clicked(self, is_wanted: bool) -> None:
        reason = self.work.can_show_ortho() if is_wanted else ""
        self.say(reason)
        self.ortho_button.setChecked(is_wanted and not reason)
        if is_wanted and not reason:
            self.work.open_ortho()
        elif not is_wanted:
            self.work.close_ortho()

    def _on_ortho_closed(self) -> None:
        self.ortho_button.setChecked(False)

    def _end_two(self) -> None:
        self.work.two.stop()
        self.modes.set_mode(None)
