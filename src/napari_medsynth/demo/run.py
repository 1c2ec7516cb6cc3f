"""Where the demonstration is shown: a window, a virtual screen, or files only."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from napari_medsynth.doctor import State
from napari_medsynth.doctor.window import examine_window, installed_binding
from napari_medsynth.errors import MedSynthError

from .pictures import save_montage, save_volumes
from .scene import MODEL, TARGET, Scene, hidden_study, play

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_medsynth.engine import Progress

_SCREEN = "-screen 0 1600x1000x24"
_PATIENCE = 300  # seconds for a window on a virtual screen


def run_demo(out: Path | str, *, show: bool | None = None) -> int:
    """Hide FLAIR of the sample study, synthesise it and show everything.

    Parameters
    ----------
    out : path
        Folder for the pictures and the NIfTI volumes; created if needed.
    show : bool, optional
        True: in a window that stays open. False: files only, with a picture of the
        window if there is a virtual screen (Xvfb). By default a window where there is
        a screen.

    Returns
    -------
    int
        0, the exit code.

    Raises
    ------
    MedSynthError
        If a window is asked for where none can be opened, or the model cannot be run.
    """
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    obstacle = _why_no_window()
    if show and (obstacle or not has_screen()):
        raise MedSynthError(obstacle or "A window needs a screen, and none answers.")
    if show is not False and not obstacle and has_screen():
        return run_in_window(folder, stays_open=True)
    if not obstacle and _run_on_virtual_screen(folder):
        return 0
    return run_without_window(folder, obstacle)


def run_in_window(folder: Path, *, stays_open: bool) -> int:
    """Play the demonstration in napari; write the same files as without."""
    from .window import DemoWindow

    console = Console(markup=False)
    console.print(f"Opening napari: {_plan()}.")
    window = DemoWindow(folder, stays_open=stays_open)
    window.run(lambda scene, files: _report(console, scene, files))
    return 0


def run_without_window(folder: Path, obstacle: str) -> int:
    """Play the demonstration without Qt: files only."""
    console = Console(markup=False)
    if obstacle:
        console.print(f"Without a window: {obstacle}", soft_wrap=True)
    console.print(f"{_plan()} ...")
    scene = _finish(play(*hidden_study()))
    files = [save_montage(scene, folder / "montage.png"), *save_volumes(scene, folder)]
    _report(console, scene, files)
    return 0


def has_screen() -> bool:
    """Tell whether this process can show a window to somebody."""
    if not sys.platform.startswith("linux"):
        return True
    if os.environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(os.environ.get("DISPLAY")) and _x_server_answers()


def _x_server_answers() -> bool:
    """Try the X server of DISPLAY: where none answers, Qt ends the whole process."""
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return True  # nobody to ask; Qt brings what it needs
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return False
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return True


def _why_no_window() -> str:
    """Say what a window lacks, apart from a screen; "" if nothing."""
    is_without_qt = not installed_binding()
    for finding in examine_window():
        if finding.state is State.bad or is_without_qt:
            return f"{finding.text}. This adds it: {finding.fix}"
    if has_screen() or shutil.which("xvfb-run"):
        return ""
    return "there is no screen and no xvfb-run; apt-get install -y xvfb xauth adds one."


def _run_on_virtual_screen(folder: Path) -> bool:
    """Play it in a napari of its own under Xvfb; False if that did not work."""
    command = [sys.executable, "-m", "napari_medsynth.demo", str(folder)]
    if shutil.which("xvfb-run") and sys.platform.startswith("linux"):
        command = ["xvfb-run", "-a", "-s", _SCREEN, *command]
    elif not has_screen():
        return False
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        Console(markup=False).print(
            f"The window could not be opened ({type(err).__name__})."
        )
        return False
    if child.returncode:
        last = child.stderr.strip().splitlines()[-1:] or ["no message"]
        Console(markup=False).print(f"The window could not be opened: {last[0]}")
    return child.returncode == 0


def _plan() -> str:
    return f"the sample study without {TARGET}, synthesised by {MODEL}"


def _finish(steps: Generator[Progress, None, Scene]) -> Scene:
    """Run the generator to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            scene: Scene = stop.value
            return scene


def _report(console: Console, scene: Scene, files: list[Path]) -> None:
    """Say how good it is and where the files are."""
    scores = scene.scores
    console.print(
        f"{TARGET} (synthetic) against the hidden {TARGET}: "
        f"PSNR {scores['psnr']:.1f} dB, SSIM {scores['ssim']:.3f}"
    )
    for path in files:
        if path.suffix == ".png":
            console.print(f"Picture: {path}", soft_wrap=True, highlight=False)
    n_volumes = sum(path.name.endswith(".nii.gz") for path in files)
    console.print(f"{n_volumes} NIfTI volumes: {files[0].parent}", soft_wrap=True)
