"""ConfigForm: the settings of a training run; `TrainConfig` is the list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from .config_fields import accepted, field_names, make_fields, show_value
from .section import Section

if TYPE_CHECKING:
    from magicgui.widgets.bases import ValueWidget

    from napari_medsynth.training import TrainConfig

IMPORTANT = (
    *("epochs", "learning_rate", "batch_size", "trained", "objective", "device"),
)
_GAN, _CYCLE = ("objective", "gan"), ("objective", "cycle")
_CRITICS = ("objective", "gan cycle missing-modality staged")
_FEATURES = ("perceptual_weight", None)  # any that is not 0
# What other settings switch off: name, and values that all of these must have one of.
_NEEDS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "lora_rank": (("trained", "lora"),),
    "adversarial_weight": (_CRITICS,),
    "gan_loss": (_CRITICS,),
    "critic": (_GAN,),
    "critic_layers": (_GAN, ("critic", "patch")),
    "critic_norm": (_GAN, ("critic", "patch pixel")),
    "critic_sees_source": (_GAN,),
    "critic_steps": (_GAN,),
    "gradient_penalty": (_GAN, ("gan_loss", "wasserstein-gp")),
    "perceptual_weight": (("objective", "supervised gan staged"),),
    "perceptual_layer": (_FEATURES,),
    "perceptual_error": (_FEATURES,),
    "perceptual_imagenet": (_FEATURES,),
    "cycle_weight": (_CYCLE,),
    "identity_weight": (_CYCLE,),
    "pool_size": (_CYCLE,),
    "triplet_margin": (("objective", "staged"),),
    "decay_epochs": (("schedule", "linear"),),
    "step_epochs": (("schedule", "step"),),
    "step_factor": (("schedule", "step"),),
}


class ConfigForm(QWidget):
    """The important settings, and the others folded away until they are wanted.

    The settings are `config`; the widgets only show and change them. Those of the
    advanced settings are made when that part is first opened.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        from napari_medsynth.training.config import TrainConfig

        super().__init__(parent)
        self._config = self._usual = TrainConfig()
        self.fields: dict[str, ValueWidget] = {}
        self.advanced = Section("Advanced")
        self.reset_button = QPushButton("Reset settings")
        self.reset_button.setToolTip("Take back every change to the chosen preset.")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._make_page(IMPORTANT))
        column.addWidget(self.advanced)
        line = QHBoxLayout()
        line.addStretch(1)
        line.addWidget(self.reset_button)
        column.addLayout(line)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.advanced.toggled.connect(self._on_advanced_toggled)
        self.reset_button.clicked.connect(self.reset)
        self._show_relations()

    def config(self) -> TrainConfig:
        """Give the settings."""
        return self._config

    def set_config(
        self, config: TrainConfig, *, usual: TrainConfig | None = None
    ) -> None:
        """Show `config`; `usual` is what Reset goes back to, unless it stays."""
        self._usual = usual or self._usual
        self._config = config
        for name, widget in self.fields.items():
            with QSignalBlocker(widget.native), widget.changed.blocked():
                show_value(widget, getattr(config, name))
        self._show_relations()
        self.changed.emit()

    def reset(self) -> None:
        """Take back every change."""
        self.set_config(self._usual)

    def to_json(self) -> dict[str, Any]:
        """Give the settings that are not the usual ones."""
        usual, now = asdict(self._usual), asdict(self._config)
        return {name: now[name] for name in now if now[name] != usual[name]}

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Change the usual settings; unknown or wrong values change nothing."""
        edits = dict(accepted(type(self._config), values))
        self.set_config(replace(self._usual, **edits))

    def _make_page(self, names: Sequence[str]) -> QWidget:
        """Lay out magicgui's widgets of some settings."""
        made = make_fields(self._config, names, parent=self)
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        for name, widget in made.items():
            show_value(widget, getattr(self._config, name))
            label = QLabel(widget.label)
            label.setToolTip(widget.tooltip)
            label.setBuddy(widget.native)
            form.addRow(label, widget.native)
            widget.changed.connect(partial(self._on_edited, name))
        self.fields |= made
        return page

    def _on_advanced_toggled(self, is_open: bool) -> None:
        if is_open and len(self.fields) == len(IMPORTANT):
            names = [n for n in field_names(type(self._config)) if n not in IMPORTANT]
            page = self._make_page(names)
            self.advanced.addWidget(page)
            page.show()  # what is hidden has no size
            self._show_relations()
            self.advanced.expand(animate=False)  # measures its content again

    def _on_edited(self, name: str, value: Any) -> None:
        """Take over one value; the others stay exact, even where shown rounded."""
        self._config = replace(self._config, **{name: value})
        self._show_relations()
        self.changed.emit()

    def _show_relations(self) -> None:
        """Grey out what has no effect at present."""
        for name, needs in _NEEDS.items():
            if name in self.fields:
                self.fields[name].enabled = all(map(self._has, needs))

    def _has(self, need: tuple[str, str | None]) -> bool:
        name, values = need
        value = getattr(self._config, name)
        return bool(value) if values is None else value in values.split()
