"""Which shared libraries are missing, and which Debian packages have them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

# What Qt 5 and 6 ask of a bare Debian 12 or Ubuntu 22.04 and newer.
PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libwayland-client.so.0": "libwayland-client0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xinput.so.0": "libxcb-xinput0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
_NOT_FOUND = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_TIMEOUT = 30  # [s]


def missing_libraries(files: Iterable[Path]) -> list[str]:
    """Name the shared libraries that `files` need and the loader does not find.

    Empty too where there is no ``ldd``.
    """
    ldd = shutil.which("ldd")
    if ldd is None:
        return []
    environment = {**os.environ, "LC_ALL": "C"}
    missing: set[str] = set()
    for path in files:
        try:
            done = subprocess.run(
                [ldd, str(path)],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        missing.update(_NOT_FOUND.findall(done.stdout))
    return sorted(missing)


def install_line(libraries: Sequence[str], *, extra: Sequence[str] = ()) -> str:
    """Give the line that installs `libraries` and packages `extra` on Debian or Ubuntu.

    Libraries that no known package has are named after it; on other systems the
    libraries themselves are what to look for.
    """
    packages = sorted({PACKAGES[name] for name in libraries if name in PACKAGES})
    unknown = [name for name in libraries if name not in PACKAGES]
    parts = []
    if packages or extra:
        words = " ".join([*packages, *extra])
        parts.append(f"{_sudo()}apt-get install -y --no-install-recommends {words}")
    if unknown:
        parts.append(f"install what has {', '.join(unknown)} (apt-file search NAME)")
    return "; ".join(parts)


def _sudo() -> str:
    """Give "sudo " unless this is root already."""
    return "" if getattr(os, "geteuid", lambda: 1)() == 0 else "sudo "
