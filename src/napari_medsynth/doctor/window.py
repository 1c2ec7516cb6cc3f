"""What a napari window needs: a Qt binding, its system libraries, a screen, OpenGL."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from .findings import Finding, State
from .libraries import install_line, missing_libraries

BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
SCREEN = '-s "-screen 0 1600x1000x24"'


def examine_window() -> Iterator[Finding]:
    """Check all that the window needs; the command line works without any of it."""
    binding = installed_binding()
    if not binding:
        yield Finding(
            "Qt",
            "no binding: the command line works, a window does not",
            State.warning,
            'pip install "napari-medsynth[qt]"',
        )
        return
    yield Finding("Qt", f"{binding} {_version(binding)}")
    if sys.platform.startswith("linux"):
        yield _libraries(binding)
        yield _opengl()
        yield _screen()


def installed_binding() -> str:
    """Name the Qt binding that qtpy would take, without importing it; "" if none."""
    wanted = os.environ.get("QT_API", "").lower()
    found = [name for name in BINDINGS if find_spec(name)]
    found.sort(key=lambda name: name.lower() != wanted)
    return found[0] if found else ""


def qt_libraries(binding: str) -> list[Path]:
    """Find the files of a binding whose own needs show what the system lacks."""
    spec = find_spec(binding)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(spec.submodule_search_locations[0])
    patterns = (
        "**/platforms/libqxcb.so",
        "**/xcbglintegrations/libqxcb-*.so",
        "**/libQt?OpenGLWidgets.so.?",
    )
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _libraries(binding: str) -> Finding:
    missing = missing_libraries(qt_libraries(binding))
    if not missing:
        return Finding("Qt libraries", "complete")
    text = f"{binding} needs {', '.join(missing)}"
    return Finding("Qt libraries", text, State.bad, install_line(missing))


def _opengl() -> Finding:
    try:
        ctypes.CDLL("libGL.so.1")
    except OSError:
        text = "libGL.so.1 cannot be loaded"
        return Finding("OpenGL", text, State.bad, install_line(["libGL.so.1"]))
    return Finding("OpenGL", "libGL.so.1")


def _screen() -> Finding:
    """Check for an X server or a Wayland compositor."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        if value := os.environ.get(name):
            return Finding("screen", f"{name}={value}")
    text = "none: the command line works; for a window without a screen use Xvfb"
    run = f"xvfb-run -a {SCREEN} napari"
    if shutil.which("xvfb-run"):
        return Finding("screen", text, State.warning, run)
    install = install_line([], extra=("xvfb", "xauth"))
    return Finding("screen", text, State.warning, f"{install} && {run}")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of the system"
