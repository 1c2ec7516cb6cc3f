import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from napari_medsynth import catalogue
from napari_medsynth.doctor import (
    State,
    examine,
    hardware,
    libraries,
    software,
    window,
)
from napari_medsynth.doctor import models as doctor_models


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_missing_package_names_the_install_line():
    finding = software.examine_package("no-such-package", "", (1, 2))

    assert finding.state is State.bad
    assert finding.fix == 'pip install --upgrade "no-such-package>=1.2"'


def test_old_package_is_bad():
    finding = software.examine_package("numpy", "numpy", (999,))

    assert finding.state is State.bad
    assert "999 or newer is needed" in finding.text


def test_package_that_does_not_import_is_bad():
    finding = software.examine_package("numpy", "no_such_module")

    assert finding.state is State.bad
    assert "does not import" in finding.text
    assert "--force-reinstall numpy==" in finding.fix


@pytest.fixture
def ldd(tmp_path, monkeypatch):
    """Replace ldd by a script that prints `text`."""

    def pretend(text):
        script = tmp_path / "ldd"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        script.chmod(0o755)
        monkeypatch.setattr(libraries.shutil, "which", lambda name: str(script))

    return pretend


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_missing_libraries_become_one_apt_line(ldd, monkeypatch):
    ldd(
        "\tlibxcb-icccm.so.4 => not found\n"
        "\tlibQt6Gui.so.6 => /qt/libQt6Gui.so.6 (0x1)\n"
        "\tlibxcb-keysyms.so.1 => not found\n"
        "\tlibxcb-icccm.so.4 => not found\n"
        "\tlibc.so.6 => /lib/libc.so.6 (0x2)"
    )
    monkeypatch.setattr(libraries.os, "geteuid", lambda: 0)

    missing = libraries.missing_libraries([Path("libqxcb.so")])

    assert missing == ["libxcb-icccm.so.4", "libxcb-keysyms.so.1"]
    assert libraries.install_line(missing) == (
        "apt-get install -y --no-install-recommends libxcb-icccm4 libxcb-keysyms1"
    )


def test_unknown_library_is_named_itself(monkeypatch):
    monkeypatch.setattr(libraries.os, "geteuid", lambda: 1000, raising=False)

    line = libraries.install_line(["libGL.so.1", "libnew.so.7"])

    assert line.startswith("sudo apt-get install -y --no-install-recommends libgl1; ")
    assert "libnew.so.7" in line


def test_without_ldd_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(libraries.shutil, "which", lambda name: None)

    assert libraries.missing_libraries([Path("libqxcb.so")]) == []


def test_no_binding_is_a_note_with_the_extra(monkeypatch):
    monkeypatch.setattr(window, "find_spec", lambda name: None)

    (finding,) = window.examine_window()

    assert finding.state is State.warning
    assert finding.fix == 'pip install "napari-medsynth[qt]"'


def test_incomplete_libraries_are_bad(monkeypatch):
    monkeypatch.setattr(window, "installed_binding", lambda: "PyQt6")
    monkeypatch.setattr(
        window, "missing_libraries", lambda files: ["libxcb-image.so.0"]
    )
    monkeypatch.setattr(window.sys, "platform", "linux")

    finding = by_name(window.examine_window())["Qt libraries"]

    assert finding.state is State.bad
    assert finding.fix.endswith("libxcb-image0")


@pytest.mark.skipif(not find_spec("PyQt6"), reason="needs PyQt6")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11")
def test_platform_plugin_of_the_binding_is_found():
    names = [path.name for path in window.qt_libraries("PyQt6")]

    assert "libqxcb.so" in names


@pytest.mark.parametrize("has_xvfb", [True, False])
def test_no_screen_says_how_to_get_one(monkeypatch, has_xvfb):
    monkeypatch.setattr(window, "installed_binding", lambda: "PyQt6")
    monkeypatch.setattr(window.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(window.shutil, "which", lambda name: name if has_xvfb else None)

    finding = by_name(window.examine_window())["screen"]

    assert finding.state is State.warning
    assert "xvfb-run" in finding.fix
    assert ("apt-get" in finding.fix) is not has_xvfb


def test_little_memory_is_a_note(monkeypatch):
    monkeypatch.setattr(hardware, "available_memory", lambda: 0.5)

    finding = by_name(hardware.examine_hardware())["memory"]

    assert finding.state is State.warning
    assert finding.text == "0.5 GiB free"


def test_memory_of_this_machine_is_plausible():
    memory = hardware.available_memory()

    assert memory is None or 0 < memory < 1e5


def test_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "file" / "home"))
    (tmp_path / "file").write_text("in the way")

    finding = by_name(doctor_models.examine_models())["user folder"]

    assert finding.state is State.warning
    assert "MEDSYNTH_HOME" in finding.fix


def test_problem_of_a_pack_is_one_finding(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.safetensors").write_bytes(b"\0")

    finding = by_name(doctor_models.examine_models())["model left out"]

    assert "broken.safetensors" in finding.text


def test_missing_starter_is_bad(monkeypatch):
    def missing(*parts):
        raise FileNotFoundError

    monkeypatch.setattr(catalogue.registry, "resource", missing)

    finding = by_name(doctor_models.examine_models())["starter model"]

    assert finding.state is State.bad


def test_every_bad_line_has_a_fix():
    assert all(f.fix for f in examine() if f.state is State.bad)


def test_report_runs_as_a_module_without_qt():
    code = (
        "import sys; from napari_medsynth.doctor import examine; examine(); "
        "print([m for m in ('qtpy', 'PyQt6', 'napari', 'vispy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
