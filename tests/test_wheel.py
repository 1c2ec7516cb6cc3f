"""The wheel, installed into an environment of its own, is complete."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QT = ("pyqt", "pyside")

PROBE = """
import json, sys
from importlib.metadata import entry_points, requires
from importlib.resources import files
import napari_medsynth
from napari_medsynth.catalogue import get_pack
from napari_medsynth.resources import resource
from napari_medsynth.simulate import sample_study
pack = get_pack("starter")
pack.verify()
print(json.dumps({
    "package": napari_medsynth.__file__,
    "packs": str(resource("packs")),
    "pack": pack.card.id,
    "modalities": sample_study().modalities,
    "manifest": files("napari_medsynth").joinpath("napari.yaml").read_text(),
    "licence": resource("anatomy", "LICENSE.txt").read_text()[:1],
    "commands": [e.name for e in entry_points(group="console_scripts")],
    "requires": requires("napari-medsynth"),
}))
"""


def run(*command: object, cwd: Path) -> str:
    """Run a command away from the checkout; give its stdout."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in a checkout")
    if find_spec("hatchling") is None or find_spec("build") is None:
        pytest.skip("build and hatchling are not installed: pip install --group test")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--wheel", "--no-isolation", "--outdir", folder)
    run(sys.executable, "-m", "build", *options, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> dict:
    """What a fresh environment, which borrows the dependencies only, says of itself."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", "env", cwd=folder)
    windows = sys.platform == "win32"
    python = folder / "env" / ("Scripts/python.exe" if windows else "bin/python")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", purelib, cwd=folder).strip())
    # A path in a .pth file is searched last, and no .pth beside it is read: the
    # dependencies are found, an editable install of this package is not.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    found = json.loads(run(python, "-c", PROBE, cwd=folder))
    return {**found, "site": str(site)}


@pytest.mark.slow
def test_package_and_resources_come_from_the_wheel(installed):
    site = installed["site"]
    assert installed["package"].startswith(site)
    assert installed["packs"].startswith(site)
    assert Path(installed["packs"]).parent.name == "_resources"


@pytest.mark.slow
def test_starter_pack_sample_and_licence_are_inside(installed):
    assert installed["pack"] == "resvit-starter"
    assert set(installed["modalities"]) == {"T1", "T2", "PD", "FLAIR"}
    assert installed["licence"]


@pytest.mark.slow
def test_napari_finds_the_plugin(installed):
    assert installed["manifest"].startswith("name: napari-medsynth")
    assert "medsynth" in installed["commands"]


@pytest.mark.slow
def test_no_qt_binding_is_required(installed):
    base = [one for one in installed["requires"] if "extra ==" not in one]
    base = [one for one in base if not one.startswith("pyqtgraph")]  # uses any binding
    assert any(one.startswith("napari") for one in base)
    assert not [one for one in base if one.lower().startswith(QT) or "[" in one]


@pytest.mark.slow
def test_wheel_is_small_enough_to_download(wheel):
    assert wheel.stat().st_size < 30e6
