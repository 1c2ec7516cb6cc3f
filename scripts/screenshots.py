"""Take the pictures of README.md and docs/ in a real window: make screenshots.

Only the embedded sample study is shown, but for scenes/restore.py. Each scene runs in a
process of its own, with default preferences.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1400, 850)
PATIENCE = 900  # seconds for one synthesis or training
MAX_BYTES = 400_000
COLOURS = (256, 128, 64)


def main() -> int:
    """Run every scene, or those that are named."""
    if len(sys.argv) == 3 and sys.argv[1] == "--scene":
        SCENES[sys.argv[2]]()
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        settings = str(Path(home) / "napari.yaml")
        environment = {
            **os.environ,
            "MEDSYNTH_HOME": home,
            "NAPARI_CONFIG": settings,
        }
        for name in sys.argv[1:] or SCENES:
            command = [sys.executable, __file__, "--scene", name]
            failed += subprocess.run(command, env=environment).returncode != 0
    return min(failed, 1)


def demo() -> None:
    """The window that make demo leaves open."""
    from napari_medsynth.demo.window import DemoWindow

    with tempfile.TemporaryDirectory() as folder:
        window = DemoWindow(Path(folder), stays_open=False)
        window.run(lambda scene, files: print(scene.scores))
        save(Image.open(Path(folder) / "window.png"), "demo")


def tutorial() -> None:
    """The steps of docs/tutorials/first-synthesis.md."""
    import napari

    from napari_medsynth.demo.layers import attention_layers, show_attention
    from napari_medsynth.widgets.parts.state_chip import State

    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-medsynth", "brain")
    viewer.dims.set_current_step(0, 78)
    take(viewer, "tutorial-sample")

    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Synthesize")
    dock.settle()
    dock.modality_table.set_state("FLAIR", State.TARGET)
    take(viewer, "tutorial-dock")

    dock.options_box.set_options({"attention": "rollout"})
    dock.options_box.expand(animate=False)
    dock.run()
    wait_until(lambda: not dock.is_busy)
    maps = attention_layers(viewer)
    for layer in maps:
        layer.visible = False
    take(viewer, "tutorial-result")

    show_attention(viewer)
    for layer in viewer.layers:
        layer.visible = layer.name == "T1" or layer is maps[0]
    viewer.layers.selection = {maps[0]}
    take(viewer, "tutorial-attention")
    viewer.close()


def finetune() -> None:
    """The steps of docs/tutorials/fine-tune.md, on the cohort of medsynth sample."""
    import napari

    from napari_medsynth.io import write_volume
    from napari_medsynth.simulate import site_studies

    with tempfile.TemporaryDirectory() as name:
        for number, study in enumerate(site_studies(6), start=1):
            for modality, volume in study.volumes.items():
                folder = Path(name) / "cohort" / f"subject-{number:02d}"
                write_volume(volume, folder / f"{modality}.nii.gz")
        viewer = napari.Viewer(show=True)
        viewer.window.resize(*SIZE)
        viewer.open(folder / "T1.nii.gz", plugin="napari-medsynth", layer_type="image")
        _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Fine-tune")
        dock.settle()
        os.chdir(name)  # the picture shows no path of this machine
        _finetune_steps(viewer, dock, "cohort")
        viewer.close()


def _finetune_steps(viewer: object, dock: object, folder: str) -> None:
    dock.cohort_box.source.choose("folder", folder)
    dock.cohort_box.read()
    wait_until(lambda: not dock.cohort_box.reason())
    take(viewer, "finetune-data")
    presets = dock.learn_box.preset_combo
    presets.setCurrentText("quick look")
    presets.textActivated.emit("quick look")  # as if the user had chosen it
    dock.training.moved_to.emit(dock.learn_box)
    take(viewer, "finetune-learn")
    dock.watch_box.start_button.click()
    wait_until(lambda: "epoch 2" in dock.watch_box.log.toPlainText().lower())
    dock.watch_box.look_button.click()
    dock.training.moved_to.emit(dock.watch_box)
    take(viewer, "finetune-watch")
    wait_until(lambda: not dock.is_busy)
    dock.training.moved_to.emit(dock.verdict_box)
    take(viewer, "finetune-verdict")
    dock.verdict_box.keep_button.click()
    spin(3)
    take(viewer, "finetune-kept")


def play(name: str) -> None:
    """Run ``scenes/<name>.py``."""
    import_module(f"scenes.{name}").play()


FILES = sorted((Path(__file__).parent / "scenes").glob("*.py"))
SCENES: dict[str, Callable[[], None]] = {
    "demo": demo,
    "tutorial": tutorial,
    "finetune": finetune,
    **{file.stem: partial(play, file.stem) for file in FILES},
}


def take(viewer: object, name: str) -> None:
    """Photograph the window, canvas included."""
    spin(1.0)
    save(Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)), name)


def save(picture: Image.Image, name: str) -> None:
    """Write a PNG below `MAX_BYTES`; refuse one in which the canvas is black."""
    picture = picture.convert("RGB")
    middle = np.asarray(picture)[:, picture.width // 4 : -picture.width // 3]
    if (middle.max(axis=-1) > 90).mean() < 0.05:
        raise SystemExit(f"{name}: the canvas is black")
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    picture.save(path, optimize=True)
    for colours in COLOURS:
        if path.stat().st_size < MAX_BYTES:
            break
        picture.quantize(colours).save(path, optimize=True)
    print(f"{path} ({path.stat().st_size / 1000:.0f} kB)")


def spin(seconds: float) -> None:
    """Let Qt draw for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_until(condition: Callable[[], bool]) -> None:
    """Let Qt work until `condition` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not done within {PATIENCE} s")
        spin(0.05)


if __name__ == "__main__":
    sys.exit(main())
