"""The demonstration, with a quick stand-in for the model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_medsynth.demo import pictures, run, run_demo, scene
from napari_medsynth.engine import Progress
from napari_medsynth.errors import EngineError, MedSynthError
from napari_medsynth.io import Study, Volume


@pytest.fixture
def finished(study: Study) -> scene.Scene:
    truth = study["FLAIR"]
    sources = Study({m: study[m] for m in ("T1", "T2", "PD")})
    tokens = np.zeros((1, *truth.shape[:1], 3, 3), dtype=np.float32)
    tokens[..., 0, 2] = 1.0  # anterior left
    attention = Volume(
        tokens,
        spacing=(truth.spacing[0], 40 / 3, 36 * 1.2 / 3),
        origin=(truth.origin[0], truth.origin[1] + 6, truth.origin[2] + 7),
    )
    difference = truth.with_data(np.zeros_like(truth.data))
    difference.data[0, :, 20:, :] = 0.3
    synthetic = truth.with_data(truth.data * 1.1, metadata={"synthetic": True})
    scores = {"psnr": 30.123, "ssim": 0.9876, "mae": 0.01}
    maps = {"rollout art_1": attention}
    return scene.Scene(sources, truth, synthetic, difference, maps, scores)


@pytest.fixture
def stand_in(monkeypatch, finished):
    """Replace the sample study and the model by tiny ones."""

    def play(sources, truth):
        yield Progress(1, 1)
        return finished

    hidden = (finished.sources, finished.truth)
    monkeypatch.setattr("napari_medsynth.demo.run.hidden_study", lambda: hidden)
    monkeypatch.setattr("napari_medsynth.demo.window.hidden_study", lambda: hidden)
    monkeypatch.setattr("napari_medsynth.demo.run.play", play)
    return finished


@pytest.fixture
def no_window(monkeypatch):
    monkeypatch.setattr(run, "_why_no_window", lambda: "there is no Qt here.")


def test_without_a_window_it_writes_volumes_and_a_picture(
    stand_in, no_window, tmp_path, capsys
):
    assert run_demo(tmp_path / "out") == 0

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"montage.png", "FLAIR_synthetic.nii.gz", "FLAIR_truth.nii.gz"} <= names
    assert {"T1_source.nii.gz", "attention_rollout_art_1.nii.gz"} <= names
    printed = capsys.readouterr().out
    assert "there is no Qt here." in printed
    assert "PSNR 30.1 dB, SSIM 0.988" in printed
    assert str(tmp_path / "out" / "montage.png") in printed


def test_synthetic_file_says_that_it_is_synthetic(stand_in, no_window, tmp_path):
    run_demo(tmp_path)

    sidecar = (tmp_path / "FLAIR_synthetic.json").read_text()
    assert '"SyntheticData": true' in sidecar
    assert not (tmp_path / "FLAIR_truth.json").exists()


def test_asking_for_a_window_where_none_is_possible_is_one_sentence(
    stand_in, no_window, tmp_path
):
    with pytest.raises(MedSynthError, match="there is no Qt here"):
        run_demo(tmp_path, show=True)


def test_a_window_that_breaks_leaves_files_instead(
    stand_in, monkeypatch, tmp_path, capsys
):
    failed = subprocess.CompletedProcess([], 1, None, "Traceback\nno OpenGL")
    monkeypatch.setattr(run, "_why_no_window", lambda: "")
    monkeypatch.setattr(run, "has_screen", lambda: True)
    monkeypatch.setattr(run.subprocess, "run", lambda *args, **kwargs: failed)

    assert run_demo(tmp_path, show=False) == 0

    assert "no OpenGL" in capsys.readouterr().out
    assert (tmp_path / "montage.png").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X servers only")
def test_a_display_that_does_not_answer_is_no_screen(monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":9876")

    assert not run.has_screen()


def test_montage_shows_left_on_the_right_and_anterior_above(finished):
    sheet = np.asarray(pictures.montage(finished)).astype(int)
    height, width = finished.truth.shape[1:]
    step = (width + pictures._GAP, height + pictures._GAP + pictures._CAPTION)

    def cell(row, column):
        y, x = row * step[1] + pictures._GAP + pictures._CAPTION, column * step[0]
        return sheet[y : y + height, x + pictures._GAP : x + pictures._GAP + width]

    difference, attention = cell(1, 1), cell(1, 2)
    assert difference[25:].max() > 200  # posterior half: below
    assert difference[:18].max() == 0
    brightest = attention.sum(-1)
    assert brightest[:8, -8:].mean() > brightest[-8:, :8].mean() + 50


def test_scene_names_a_file_for_every_volume(finished):
    assert set(finished.volumes()) == {
        "T1_source",
        "T2_source",
        "PD_source",
        "FLAIR_truth",
        "FLAIR_synthetic",
        "FLAIR_difference",
        "attention_rollout_art_1",
    }


def test_hidden_contrast_is_not_among_the_sources():
    sources, truth = scene.hidden_study()

    assert scene.TARGET not in sources
    assert truth.modality == scene.TARGET


@pytest.fixture
def window(stand_in, make_napari_viewer, monkeypatch, tmp_path):
    """The demonstration in a viewer of the test, with the starter model itself."""
    from napari_medsynth.demo.window import DemoWindow

    viewer = make_napari_viewer(show=True)
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("napari.Viewer", lambda **options: viewer)
    return DemoWindow(tmp_path, stays_open=True)


@pytest.mark.gl
def test_window_shows_every_layer_and_is_photographed(
    window, monkeypatch, tmp_path, qtbot
):
    reports = []

    def wait():
        qtbot.waitUntil(lambda: bool(reports or window._error), timeout=60_000)

    monkeypatch.setattr("napari.run", wait)
    window.run(lambda *report: reports.append(report))

    names = [layer.name for layer in window.viewer.layers]
    assert names[:4] == ["T1", "T2", "PD", "FLAIR (truth)"]
    assert names[4].startswith("FLAIR (synthetic")
    assert "synthesis - truth" in names
    assert names[-1].startswith("attention rollout")
    assert reports[0][0].scores["psnr"] > 5
    assert {p.name for p in reports[0][1]} >= {"window.png", "FLAIR_synthetic.nii.gz"}
    assert (tmp_path / "window.png").stat().st_size > 10_000
    assert window.viewer.canvas.grid.enabled


@pytest.mark.gl
def test_window_passes_a_failure_on(window, monkeypatch, qtbot):
    closed = []
    monkeypatch.setattr(window, "close", lambda: closed.append(True))
    monkeypatch.setattr("napari.run", lambda: qtbot.waitUntil(lambda: bool(closed)))
    monkeypatch.setattr(window.dock, "run", lambda: None)  # nothing starts

    with pytest.raises(EngineError):
        window.run(lambda *report: None)
