"""Preferences of napari-medsynth (napari's own page) and what a dock remembers."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.settings import get_plugin_settings

from napari_medsynth.catalogue import user_folder

_PLUGIN = "napari-medsynth"
_log = logging.getLogger(__name__)


class Preferences:
    """Device, precision, live preview and folders, as the manifest declares them.

    Where napari does not know the plugin (a script that imports a widget), the values
    of the manifest hold and nothing is kept.
    """

    def __init__(self) -> None:
        try:
            self._settings: Any = get_plugin_settings(_PLUGIN)
        except KeyError:
            self._settings = None

    @property
    def device(self) -> str:
        """Where models run."""
        return self._get("inference", "device", "auto")

    @property
    def precision(self) -> str:
        """Arithmetic of the models."""
        return self._get("inference", "precision", "auto")

    @property
    def live_preview(self) -> bool:
        """Whether the slice on the screen is synthesised unasked."""
        return self._get("inference", "live_preview", False)

    @property
    def results_folder(self) -> str:
        """Where finished volumes are saved; "" for nowhere."""
        return self._get("folders", "results", "")

    def on_change(self, listener: Callable[..., None]) -> None:
        """Call `listener`, a method of an object that lives, when a value changes."""
        if self._settings is not None:
            self._settings.events.changed.connect(listener)

    def off_change(self, listener: Callable[..., None]) -> None:
        """Undo `on_change`."""
        if self._settings is not None:
            self._settings.events.changed.disconnect(listener)

    def keep(self, *, device: str, precision: str, live_preview: bool) -> None:
        """Keep what was chosen in a dock."""
        if self._settings is None:
            return
        section = self._settings.inference
        chosen = {
            "device": device,
            "precision": precision,
            "live_preview": live_preview,
        }
        for name, value in chosen.items():
            if getattr(section, name) != value:
                setattr(section, name, value)

    def apply_home(self) -> bool:
        """Use the models folder that was chosen, unless the environment names one."""
        home = self._get("folders", "home", "")
        is_new = bool(home) and "MEDSYNTH_HOME" not in os.environ
        if is_new:
            os.environ["MEDSYNTH_HOME"] = home
        return is_new

    def _get(self, section: str, name: str, default: Any) -> Any:
        if self._settings is None:
            return default
        value = getattr(getattr(self._settings, section), name)
        return getattr(value, "value", value)  # an enum's plain value


def recall(dock: str) -> dict[str, Any]:
    """Give what a dock kept; {} if it kept nothing or the file is damaged."""
    try:
        values = json.loads(_path_of(dock).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        _log.warning("The settings of the %s dock are lost: %s", dock, err)
        return {}
    return values if isinstance(values, dict) else {}


def keep(dock: str, values: dict[str, Any]) -> None:
    """Keep JSON `values` of a dock, whole or not at all; a full disk is no error."""
    path = _path_of(dock)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=1)
        Path(temporary).replace(path)
    except OSError as err:
        _log.warning("The settings of the %s dock could not be kept: %s", dock, err)


def _path_of(dock: str) -> Path:
    return user_folder() / "settings" / f"{dock}.json"
