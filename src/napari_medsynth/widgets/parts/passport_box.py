"""PassportBox: one line on how well the sources fit the model, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

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
        self._listed: list[CheckRow] = []  # in the section, and the one under it
        self._summed: list[CheckRow] = []
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
        is_open = self.section.isExpanded()
        shown = checks if is_open else [c for c in checks[:1] if c.level != "green"]
        built = self._listed if is_open else self._summed
        while len(built) < len(shown):  # styling a new widget is slow: they are kept
            row = CheckRow()
            row.fix_asked.connect(self.fix_asked)
            if is_open:
                self.section.addWidget(row)
            else:
                self._worst.addWidget(row)
            built.append(row)
        for row in (*self._listed, *self._summed):
            row.setVisible(False)
        self.rows = built[: len(shown)]
        for row, check in zip(self.rows, shown, strict=True):
            row.show_check(check)

    def _on_toggled(self, is_open: bool) -> None:
        self._list(self._checks)


class CheckRow(QWidget):
    """One check: its level, its sentence and the button of its fix."""

    fix_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.check: Check | None = None
        self.sign = QLabel()
        self.sign.setFixedWidth(14)
        self.sentence = plain_label()
        self.button = push_button("", "")
        self.button.clicked.connect(self._on_clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.sentence, 1)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignTop)

    def show_check(self, check: Check) -> None:
        """Show another check."""
        self.check = check
        sign, colour = _SIGNS[check.level], _COLOURS[check.level]
        self.sign.setText(f'<b style="color:{colour}">{sign}</b>')
        self.sign.setToolTip(f"{check.name}: {_WORDS[check.level]}")
        self.sign.setAccessibleName(f"{check.name}: {_WORDS[check.level]}")
        self.sentence.setText(check.sentence)
        self.sentence.setAccessibleDescription(check.name)
        title, tip = (
            text.format(modality=check.modality, other=check.other)
            for text in _FIXES.get(check.fix, ("", ""))
        )
        self.button.setText(title)
        self.button.setToolTip(tip)
        self.button.setAccessibleName(f"{title} ({check.modality})")
        self.button.setVisible(bool(title))
        if title:  # the list squeezes its rows
            self.button.setMinimumHeight(self.button.sizeHint().height())
        self.setEnabled(True)
        self.show()

    def _on_clicked(self) -> None:
        if self.check is not None:
            self.fix_asked.emit(self.check)
