"""MetricsForm: what is compared, how it is scaled, and the numbers; no work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medsynth.evaluate.metric_names import METRICS
from napari_medsynth.evaluate.windows import WINDOWS
from napari_medsynth.widgets._measure import Scaling
from napari_medsynth.widgets._roles import Role, Shown

from .metrics_table import MetricsTable
from .plain import plain_label, push_button
from .slice_plot import SlicePlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

_PERCENTILES, _AS_IS = "Percentiles of each image", "As they are"
_SCREEN = "The window on the screen"
_DOTS = "\N{HORIZONTAL ELLIPSIS}"


class MetricsForm(QWidget):
    """The widgets of `MetricsBox`, and what is chosen in them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._truths: list[Shown] = []
        self._make_choices()
        self._make_results()
        self._lay_out()
        self.show_ready()

    @property
    def truth(self) -> Layer | None:
        """The chosen real image."""
        index = self.truth_box.currentIndex()
        return self._truths[index].layer if 0 <= index < len(self._truths) else None

    @property
    def scaling(self) -> Scaling:
        """The chosen scaling; of the window on the screen, as it is now."""
        name, truth = self.scaling_box.currentText(), self.truth
        if name == _SCREEN and truth is not None:
            low, high = truth.contrast_limits
            return Scaling("window", (float(low), float(high)))
        if name in _CT_WINDOWS:
            return Scaling("window", _CT_WINDOWS[name])
        return Scaling("as is" if name == _AS_IS else "percentile")

    @property
    def plotted(self) -> str:
        """The metric that is plotted."""
        return str(self.metric_box.currentData())

    def set_truths(self, truths: Sequence[Shown]) -> None:
        """Offer these real images; the chosen one stays chosen."""
        before = self.truth
        self._truths = list(truths)
        names = [shown.layer.name for shown in truths]
        if names != self._names():
            self.truth_box.blockSignals(True)
            self.truth_box.clear()
            for shown, name in zip(truths, names, strict=True):
                self.truth_box.addItem(name)
                if shown.role is not Role.TRUTH:
                    tip = "Nothing of this contrast was made: compared with all."
                    self.truth_box.setItemData(self.truth_box.count() - 1, tip, 3)
            self.truth_box.blockSignals(False)
        layers = [shown.layer for shown in truths]
        if before is not None and before in layers:
            self.truth_box.setCurrentIndex(layers.index(before))
        self.truth_box.setEnabled(bool(truths))
        self._fill_scalings()

    def show_ready(self, sentence: str = "") -> None:
        """Nothing runs; tell what came of it."""
        self.bar.hide()
        self.cancel_button.hide()
        self.measure_button.show()
        self.measure_button.setEnabled(self.truth is not None)
        self.say(sentence)

    def show_running(self, done: int = 0, total: int = 0) -> None:
        """Tell how many slices are done of how many; 0 of 0 if nobody knows."""
        self.measure_button.hide()
        self.cancel_button.show()
        self.bar.show()
        self.bar.setRange(0, total)
        self.bar.setValue(done)

    def say(self, sentence: str) -> None:
        """Show a sentence under the buttons."""
        self.status_label.setText(sentence)
        self.status_label.setVisible(bool(sentence))

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering."""
        return {"metric": self.plotted}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values; what is unknown changes nothing."""
        index = self.metric_box.findData(values.get("metric"))
        if index >= 0:
            self.metric_box.setCurrentIndex(index)

    def _names(self) -> list[str]:
        return [self.truth_box.itemText(i) for i in range(self.truth_box.count())]

    def _fill_scalings(self) -> None:
        """Offer windows in HU for CT, percentiles for what has no unit."""
        is_ct = any(s.layer == self.truth and s.modality == "CT" for s in self._truths)
        names = [_PERCENTILES, _AS_IS, _SCREEN]
        if is_ct:
            names = [_AS_IS, *_CT_WINDOWS, _SCREEN, _PERCENTILES]
        if [self.scaling_box.itemText(i) for i in range(len(names))] != names:
            self.scaling_box.clear()
            self.scaling_box.addItems(names)

    def _make_choices(self) -> None:
        self.truth_box = _narrow_box("The real image that was to be made.")
        self.scaling_box = _narrow_box(
            "How both images are scaled first. The unit of MR is arbitrary, so each is "
            "scaled by its own percentiles; CT is compared in HU."
        )
        self.truth_box.currentIndexChanged.connect(self._fill_scalings)
        self.measure_button = push_button(
            "&Measure",
            "Compare every synthesis of this contrast with the real image: whole, "
            "foreground, and every label of every Labels layer.",
        )
        self.cancel_button = push_button("&Cancel", "Stop measuring.")
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Numbers measured")
        self.status_label = plain_label("What came of measuring and saving")

    def _make_results(self) -> None:
        self.table = MetricsTable()
        self.declaration_label = plain_label("How the images were scaled")
        self.remark_label = plain_label("What to know of the numbers")
        self.plot = SlicePlot()
        self.metric_box = _narrow_box("What the plot shows along the slices.")
        for name, metric in METRICS.items():
            self.metric_box.addItem(metric.title, name)
        self.metric_box.setCurrentIndex(self.metric_box.findData("psnr"))
        self.csv_button = push_button(
            f"CS&V{_DOTS}", "Save all numbers, with how they were made, as a table."
        )
        self.html_button = push_button(
            f"Re&port{_DOTS}",
            "Save numbers, pictures of the slice that is shown, settings and "
            "provenance as one HTML page that needs no other file.",
        )
        self.results = QWidget()
        self.results.hide()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Real &image", self.truth_box)
        form.addRow("Sca&ling", self.scaling_box)
        metric_label, tools = QLabel("Plo&t"), QHBoxLayout()
        metric_label.setBuddy(self.metric_box)
        tools.addWidget(metric_label)
        tools.addWidget(self.metric_box, 1)
        tools.addWidget(self.csv_button)
        tools.addWidget(self.html_button)
        inner = QVBoxLayout(self.results)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.table)
        inner.addWidget(self.declaration_label)
        inner.addLayout(tools)
        inner.addWidget(self.plot)
        inner.addWidget(self.remark_label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        for widget in (self.measure_button, self.bar, self.cancel_button):
            layout.addWidget(widget)
        layout.addWidget(self.status_label)
        layout.addWidget(self.results)


def _window_title(name: str) -> str:
    low, high = WINDOWS[name]
    return f"{name.replace('-', ' ').capitalize()} [{low:g}, {high:g} HU]"


_CT_WINDOWS = {_window_title(name): limits for name, limits in WINDOWS.items()}


def _narrow_box(tip: str) -> QComboBox:
    """Give a combo box that long names of layers do not widen."""
    box = QComboBox()
    box.setToolTip(tip)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box
