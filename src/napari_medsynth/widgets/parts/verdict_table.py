"""VerdictTable: base and tuned model, number by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

MEASURES = {"psnr": "PSNR [dB]", "ssim": "SSIM", "mae": "MAE"}
_FORMS = {"psnr": ".2f", "ssim": ".3f", "mae": ".4f"}
_LESS_IS_BETTER = {"mae"}
_HEADS = ("From", "To", "Base", "Trained", "Difference")
OWN_TASK = "Own task of the base model"
_ROW_HEIGHT, _MAX_HEIGHT = 22, 260

Row = Mapping[str, Any]


class VerdictTable(QTableWidget):
    """One row per mask (sources that were given) and target: means over subjects.

    Below them the same for the base model's own task: what was forgotten. The tooltip
    of a row tells each subject.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_HEADS), parent)
        self.setHorizontalHeaderLabels(_HEADS)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("Base and trained model compared")
        self._set_headers()

    def show_verdict(self, verdict: Mapping[str, Any], measure: str) -> None:
        """Show one measure of a verdict, as `training.verdict.Verdict` gives it."""
        self.setRowCount(0)
        self.clearSpans()
        rows = mean_rows(verdict.get("rows", ()), measure)
        forgotten = mean_rows(verdict.get("forgetting_rows", ()), measure)
        is_one_target = len({row["target"] for row in rows + forgotten}) == 1
        self.setColumnHidden(1, is_one_target)  # room for the sources
        for row in rows:
            self._add(row, measure)
        if forgotten:
            self._add_title(OWN_TASK)
        for row in forgotten:
            self._add(row, measure)
        height = self._header.sizeHint().height() + self.rowCount() * _ROW_HEIGHT + 4
        self.setFixedHeight(min(max(height, 3 * _ROW_HEIGHT), _MAX_HEIGHT))

    def _set_headers(self) -> None:
        rows = QHeaderView(Qt.Orientation.Vertical)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
        self.setVerticalHeader(rows)
        rows.hide()
        self._header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(self._header)
        self._header.setMinimumSectionSize(34)
        self._header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def _add(self, row: Row, measure: str) -> None:
        form = _FORMS[measure]
        change = row["tuned"] - row["base"]
        texts = (
            row["available"],
            row["target"],
            format(row["base"], form),
            format(row["tuned"], form),
            f"{arrow(change, measure)} {change:+{form}}",
        )
        number = self.rowCount()
        self.insertRow(number)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(row["tip"])
            if column >= 2:
                right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                item.setTextAlignment(right)
            self.setItem(number, column, item)

    def _add_title(self, text: str) -> None:
        number = self.rowCount()
        self.insertRow(number)
        item = QTableWidgetItem(text)
        item.setToolTip(
            "The simulated sample study: what the training made the model forget."
        )
        font = item.font()
        font.setBold(True)
        item.setFont(font)
        self.setItem(number, 0, item)
        self.setSpan(number, 0, 1, len(_HEADS))


def mean_rows(rows: Sequence[Row], measure: str) -> list[dict[str, Any]]:
    """Give the mean over subjects for each mask and target; what is no number is left.

    "available", "target", "base", "tuned", and "tip" with the subjects.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        both = (row.get(f"base_{measure}"), row.get(measure))
        if all(isinstance(value, int | float) for value in both):
            key = (str(row.get("available", "")), str(row.get("target", "")))
            groups.setdefault(key, []).append(row)
    return [
        {
            "available": available,
            "target": target,
            "base": fmean(row[f"base_{measure}"] for row in group),
            "tuned": fmean(row[measure] for row in group),
            "tip": "\n".join(
                [f"{target} from {available}", *(_tip(row, measure) for row in group)]
            ),
        }
        for (available, target), group in groups.items()
    ]


def arrow(change: float, measure: str) -> str:
    """Give a sign for better or worse, not only a colour."""
    if not change:
        return "="
    is_better = (change < 0) == (measure in _LESS_IS_BETTER)
    return (
        "\N{BLACK UP-POINTING TRIANGLE}"
        if is_better
        else "\N{BLACK DOWN-POINTING TRIANGLE}"
    )


def interval_text(verdict: Mapping[str, Any], measure: str, *, of: str) -> str:
    """Write the overall difference with its 95 % interval; "" if there is none.

    Parameters
    ----------
    of : {"differences", "forgetting"}
        On the held-out subjects, or on the base model's own task.
    """
    interval = verdict.get(of, {}).get(measure)
    if not interval or interval.get("mean") is None:
        return ""
    form = _FORMS[measure]
    unit = " dB" if measure == "psnr" else ""
    text = f"{arrow(interval['mean'], measure)} {interval['mean']:+{form}}{unit}"
    low, high = interval.get("low"), interval.get("high")
    if low is None or high is None:
        return f"{text}, too few to give an interval"
    text += f", 95 % interval {low:+{form}} to {high:+{form}}"
    n = interval.get("n")
    return f"{text} ({n} {interval.get('of', '')})" if n else text


def _tip(row: Row, measure: str) -> str:
    """Tell one subject's numbers."""
    form = _FORMS[measure]
    base, tuned = row[f"base_{measure}"], row[measure]
    return (
        f"{row.get('subject', '')}: {base:{form}} \N{RIGHTWARDS ARROW} {tuned:{form}}"
    )
