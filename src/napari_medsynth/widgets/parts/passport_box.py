"""PassportBox: one line on how well the sources fit the model, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from .plain import plain_label, push_button
from .section import Section

if TYPE_CHECKING:
    from napari_medsynth.trust.checks import Check
    from napari_medsynth.trust.passport import Passport

# A shape and a word besides the colour: not everyone sees red and green.
_SIGNS = {"green": "\N{CHECK MARK}", "amber": "!", "red": "\N{MULTIPLICATION X}"}
_COLOURS = {"green": "#3fa34d", "amber": "#d08a00", "red": "#e0463e"}
_WORDS = {"green": "good", "amber": "doubtful", "red": "wrong"}
_FIXES = {
    "register": ("Register", "Turn and shift {modality} onto {other}, as a new layer."),
    "swap": (
        "Swap",
        "Use the layer of {modality} as {other}, and the other way round.",
    ),
    "move": ("Use as {other}", "Use the layer of {modality} as {other}."),
}


class PassportBox(QWidget):
    """A line with the worst level, and the worst finding; unfolds to all checks.

    Signals: `fix_asked` with a Check, `undo_asked`.
    """

    fix_asked = Signal(object)
    undo_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.section = Section("Sources")
        self.section.toggled.connect(self._on_toggled)
        self.rows: list[CheckRow] = []  # those on show
        self._checks: Sequence[Check] = ()
        self._worst = QVBoxLayout()
        self.undo_button = push_button("&Undo the fix", "Take the last fix back.")
        self.undo_button.clicked.connect(self.undo_asked)
        self.undo_button.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.section)
        layout.addLayout(self._worst)
        layout.addWidget(self.undo_button, 0, Qt.AlignmentFlag.AlignRight)
        self.show_nothing()

    @property
    def title(self) -> str:
        """What the line says."""
        return self.section.text()

    def show_nothing(self) -> None:
        """Say nothing: there are no sources."""
        self._list(())
        self.hide()

    def show_busy(self, sentence: str) -> None:
        """Say what is being done; fixes wait meanwhile."""
        self._say(sentence)
        for row in self.rows:
            row.setEnabled(False)

    def show_passport(self, passport: Passport) -> None:
        """Show the worst level in words, and the checks behind it."""
        self._say(f"{_SIGNS[passport.level]} {passport.summary}")
        self._list(passport.checks)

    def set_undo(self, what: str) -> None:
        """Offer to take `what` back; "" for nothing to take back."""
        self.undo_button.setVisible(bool(what))
        self.undo_button.setToolTip(f"Take back: {what}.")

    def _say(self, sentence: str) -> None:
        self.section.setText(sentence)
        self.section.toggleButton().setToolTip(
            f"Input passport. {sentence} Click for all that was looked at."
        )
        self.show()

    def _list(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        for row in self.rows:
            row.hide()
            row.setParent(None)
            row.deleteLater()
        is_open = self.section.isExpanded()
        shown = checks if is_open else [c for c in checks[:1] if c.level != "green"]
        self.rows = [CheckRow(check) for check in shown]
        for row in self.rows:
            row.fix_asked.connect(self.fix_asked)
            if is_open:
                self.section.addWidget(row)
            else:
                self._worst.addWidget(row)

    def _on_toggled(self, is_open: bool) -> None:
        self._list(self._checks)


class CheckRow(QWidget):
    """One check: its level, its sentence and the button of its fix."""

    fix_asked = Signal(object)

    def __init__(self, check: Check, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check = check
        self.sign = QLabel(
            f'<b style="color:{_COLOURS[check.level]}">{_SIGNS[check.level]}</b>'
        )
        self.sign.setToolTip(f"{check.name}: {_WORDS[check.level]}")
        self.sign.setAccessibleName(f"{check.name}: {_WORDS[check.level]}")
        self.sign.setFixedWidth(14)
        self.sentence = plain_label(check.name)
        self.sentence.setText(check.sentence)
        self.button: QPushButton | None = None
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.sentence, 1)
        if check.fix in _FIXES:
            self.button = _fix_button(check)
            self.button.clicked.connect(self._on_clicked)
            layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)

    def _on_clicked(self) -> None:
        self.fix_asked.emit(self.check)


def _fix_button(check: Check) -> QPushButton:
    title, tip = (
        text.format(modality=check.modality, other=check.other)
        for text in _FIXES[check.fix]
    )
    button = push_button(title, tip)
    button.setAccessibleName(f"{title} ({check.modality})")
    button.setMinimumHeight(button.sizeHint().height())  # the list squeezes its rows
    return button
