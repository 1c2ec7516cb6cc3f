"""Python, the packages that are needed, and the plugin's own registration."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version

from .findings import Finding, State

MINIMUM_PYTHON = (3, 11)
# Distribution, module that must import (slow or windowed ones are not tried), minimum.
PACKAGES = (
    ("napari", "", (0, 9)),
    ("npe2", "", (0, 9)),
    ("numpy", "numpy", ()),
    ("scipy", "scipy", ()),
    ("scikit-image", "skimage", ()),
    ("SimpleITK", "SimpleITK", (2, 3)),
    ("pydicom", "pydicom", (3,)),
    ("nibabel", "nibabel", ()),
    ("safetensors", "safetensors", ()),
    ("torch", "torch", (2, 10)),
)


def examine_software() -> Iterator[Finding]:
    """Check Python, the packages and whether napari knows the plugin."""
    yield _python()
    for distribution, module, minimum in PACKAGES:
        yield examine_package(distribution, module, minimum)
    yield _plugin()


def examine_package(
    distribution: str, module: str = "", minimum: tuple[int, ...] = ()
) -> Finding:
    """Check one distribution: is it there, new enough, and does `module` import."""
    wanted = ".".join(map(str, minimum))
    fix = f'pip install --upgrade "{distribution}{">=" + wanted if wanted else ""}"'
    try:
        found = version(distribution)
    except PackageNotFoundError:
        return Finding(distribution, "not installed", State.bad, fix)
    if _numbers(found)[: len(minimum)] < minimum:
        text = f"{found}, but {wanted} or newer is needed"
        return Finding(distribution, text, State.bad, fix)
    try:
        if module:
            import_module(module)
    except (ImportError, OSError) as err:  # OSError: a shared library is missing
        text = f"{found} does not import: {err}"
        fix = f"pip install --force-reinstall {distribution}=={found}"
        return Finding(distribution, text, State.bad, fix)
    return Finding(distribution, found)


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.platform()}"
    if sys.version_info[:2] >= MINIMUM_PYTHON:
        return Finding("Python", text)
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return Finding("Python", text, State.bad, f"Use Python {wanted} or newer.")


def _plugin() -> Finding:
    """Check that napari will find the manifest."""
    points = entry_points(group="napari.manifest", name="napari-medsynth")
    if points:
        return Finding("plugin", f"napari-medsynth {version('napari-medsynth')}")
    return Finding(
        "plugin",
        "napari does not know napari-medsynth",
        State.bad,
        "pip install --force-reinstall --no-deps napari-medsynth",
    )


def _numbers(text: str) -> tuple[int, ...]:
    """Give (2, 13, 0) of "2.13.0+cpu" or "2.13.0rc1"."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, match[0].split("."))) if match else ()
