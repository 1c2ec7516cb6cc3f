"""One magicgui widget for each field of a settings dataclass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSpinBox, QCheckBox, QDoubleSpinBox

from .options_box import DEVICES

if TYPE_CHECKING:
    from magicgui.widgets.bases import ValueWidget

_LARGEST_INT = 2**31 - 1  # of a Qt spin box
_LARGEST_FLOAT = 1e6
_DECIMALS = 4
_BOUNDS = ("ge", "gt", "le", "lt")


def make_fields(
    values: Any, names: Iterable[str], *, parent: QObject
) -> dict[str, ValueWidget[Any]]:
    """Make a magicgui widget for each of the fields `names` of a dataclass.

    Parameters
    ----------
    values : dataclass instance
        Its fields are ``Annotated`` with pydantic's ``Field``: title becomes the label,
        description the tooltip, ge, gt, le and lt the range; a ``Literal`` becomes a
        combo box.
    names : iterable of str
        In the order of the result.
    parent : QObject
        Keeps alive what the widgets need.
    """
    from magicgui.widgets import create_widget

    hints = get_type_hints(type(values), include_extras=True)
    guard = WheelGuard(parent)
    made: dict[str, ValueWidget] = {}
    for name in names:
        value = getattr(values, name)
        kind, about = _parts(hints[name])
        options = _options(name, kind, about, value)
        title = about.get("title", name)
        widget: Any = create_widget(
            value, kind, name=name, label=title, options=options
        )
        widget.tooltip = about.get("description", "")
        widget.native.setAccessibleName(title)
        widget.native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        widget.native.installEventFilter(guard)
        _refine(widget.native)
        made[name] = widget
    return made


def field_names(settings: type) -> list[str]:
    """List the fields of a dataclass."""
    return [field.name for field in fields(settings)]


def accepted(settings: type, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give those of `values` that a settings dataclass knows and allows."""
    from pydantic import TypeAdapter, ValidationError

    hints = get_type_hints(settings, include_extras=True)
    for name in field_names(settings):
        if name in values:
            try:
                yield name, TypeAdapter(hints[name]).validate_python(values[name])
            except ValidationError:
                continue


class WheelGuard(QObject):
    """Lets the wheel scroll the page, and change a value only where one has clicked."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        is_wheel = event is not None and event.type() == QEvent.Type.Wheel
        if is_wheel and event is not None and not _has_focus(watched):
            event.ignore()
            return True
        return False


def _has_focus(watched: QObject | None) -> bool:
    return bool(watched is not None and watched.hasFocus())  # type: ignore[attr-defined]


def _parts(hint: Any) -> tuple[Any, dict[str, Any]]:
    """Split an annotation into its type and what pydantic's Field says of it."""
    kind, *infos = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    about: dict[str, Any] = {}
    for info in infos:
        for key in ("title", "description"):
            if getattr(info, key, None):
                about[key] = getattr(info, key)
        for limit in getattr(info, "metadata", ()):
            about |= {k: getattr(limit, k) for k in _BOUNDS if hasattr(limit, k)}
    return kind, about


def _options(
    name: str, kind: Any, about: Mapping[str, Any], value: Any
) -> dict[str, Any]:
    """Give the options of magicgui's widget for a field."""
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if name == "device":
        choices = tuple(dict.fromkeys((*DEVICES, value)))
    if choices:
        return {"widget_type": "ComboBox", "choices": list(choices)}
    if kind is int:
        return _range(about, step=1, largest=_LARGEST_INT)
    if kind is float:
        step = 10.0 ** -max(_DECIMALS, _decimals_of(value) + 2)
        return _range(about, step=step, largest=_LARGEST_FLOAT)
    return {}


def _range(about: Mapping[str, Any], *, step: float, largest: float) -> dict[str, Any]:
    """Give min, max and step; a bound that is not included is a step away."""
    low = about.get("ge", about.get("gt", -largest - step) + step)
    high = about.get("le", about.get("lt", largest + step) - step)
    return {"min": low, "max": high, "step": step}


def show_value(widget: ValueWidget, value: Any) -> None:
    """Show a value, with as many decimals as it needs."""
    native = widget.native
    if isinstance(native, QDoubleSpinBox):
        native.setDecimals(max(native.decimals(), _decimals_of(value) + 2))
    if value not in getattr(widget, "choices", (value,)):
        widget.choices = (*widget.choices, value)  # type: ignore[attr-defined]
    widget.value = value


def _decimals_of(value: float) -> int:
    """Count the decimals that are needed to write `value`."""
    return max(0, math.ceil(-math.log10(abs(value)))) if value else 0


def _refine(native: Any) -> None:
    """Adjust what magicgui leaves to Qt."""
    if isinstance(native, QCheckBox):
        native.setText("")  # the form has a label
    if isinstance(native, QAbstractSpinBox):
        native.setMinimumWidth(72)
    if isinstance(native, QDoubleSpinBox):  # arrows change the digit that counts
        native.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
