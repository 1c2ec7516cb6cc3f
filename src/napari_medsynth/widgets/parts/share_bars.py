"""ShareBars: a bar per source, what changes without it and what it does alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_medsynth.widgets._trust_words import Share, percent

from .colours import colour_of

_HEADINGS = (
    ("", ""),
    (
        "Share",
        "Of all that the scans paint into the image (Shapley values); together 100 %.",
    ),
    (
        "Left out",
        "How much the image changes without this scan, on average over the head, in % "
        "of its range. Small: the other scans tell the same.",
    ),
    (
        "Alone",
        "How far the image of this scan alone is from that of all scans, on average "
        "over the head, in % of its range. Small: this scan would do.",
    ),
)
_NONE = "\N{EN DASH}"


class ShareBars(QWidget):
    """A block per target: sources with their bars and numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: dict[tuple[str, str], _Row] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)

    def show_pairs(self, targets: Sequence[str], sources: Sequence[str]) -> None:
        """Have an empty bar for each source of each target."""
        pairs = [(t, s) for t in targets for s in sources]
        if pairs != list(self.rows):
            self._rebuild(targets, sources)
        for row in self.rows.values():
            row.show_nothing()

    def show_shares(self, shares: Mapping[str, Sequence[Share]]) -> None:
        """Show other numbers; bars are made anew only if there are other sources."""
        first = next(iter(shares.values()), ())
        if [(t, r.source) for t, rows in shares.items() for r in rows] != list(
            self.rows
        ):
            self._rebuild(list(shares), [row.source for row in first])
        for target, rows in shares.items():
            for share in rows:
                self.rows[target, share.source].show_share(target, share)

    def _rebuild(self, targets: Sequence[str], sources: Sequence[str]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.rows = {}
        line = 0
        for target in targets:
            self._add_headings(target, line)
            for number, source in enumerate(sources):
                line += 1
                row = _Row(source, colour_of(number))
                for column, widget in enumerate(row.widgets()):
                    self._grid.addWidget(widget, line, column)
                self.rows[target, source] = row
            line += 1

    def _add_headings(self, target: str, line: int) -> None:
        for column, (title, tip) in enumerate(_HEADINGS):
            label = QLabel(title or target)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setToolTip(tip or f"What each scan contributes to {target}.")
            font = label.font()
            font.setBold(column == 0)
            label.setFont(font)
            if column > 1:
                label.setAlignment(Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(label, line, column)


class Bar(QWidget):
    """A horizontal bar with its value in words: setting it redraws nothing else."""

    def __init__(self, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._colour = QColor(colour)
        self.value: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_value(self, value: float | None) -> None:
        """Show a share, 0 to 1; None shows an empty bar."""
        self.value = value
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(90, self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        frame = QColor(ink)
        frame.setAlpha(70)
        painter.setPen(frame)
        box = self.rect().adjusted(0, 0, -1, -1)
        painter.drawRect(box)
        if self.value is not None:
            filled = box.adjusted(1, 1, 0, 0)
            filled.setWidth(round(max(0.0, min(1.0, self.value)) * filled.width()))
            colour = QColor(self._colour)
            colour.setAlpha(190 if self.isEnabled() else 70)
            painter.fillRect(filled, colour)
            painter.setPen(ink)
            inside = box.adjusted(5, 0, -5, 0)
            painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter, f"{self.value:.0%}")
        painter.end()


class _Row:
    """The widgets of one source."""

    def __init__(self, source: str, colour: str) -> None:
        self.name, self.bar = QLabel(source), Bar(colour)
        self.left_out, self.alone = QLabel(_NONE), QLabel(_NONE)
        for label in (self.left_out, self.alone):
            label.setAlignment(Qt.AlignmentFlag.AlignRight)

    def widgets(self) -> tuple[QWidget, ...]:
        return self.name, self.bar, self.left_out, self.alone

    def show_nothing(self) -> None:
        self.bar.set_value(None)
        self.left_out.setText(_NONE)
        self.alone.setText(_NONE)

    def show_share(self, target: str, share: Share) -> None:
        self.bar.set_value(share.share)
        self.left_out.setText(percent(share.left_out))
        self.alone.setText(percent(share.alone))
        sentence = (
            f"{share.source} contributes {share.share:.0%} of {target}; without it the "
            f"image changes by {percent(share.left_out)}, and alone it is off by "
            f"{percent(share.alone)}."
        )
        for widget in self.widgets():
            widget.setToolTip(sentence)
        self.bar.setAccessibleName(sentence)
