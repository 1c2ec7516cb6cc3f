"""A viewer without a window, a catalogue of two cards, and a fake engine."""

from __future__ import annotations

import os
import sys
import threading

os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")
if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt.threading import GeneratorWorker
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.progress import Progress, Result
from napari_medsynth.io.geometry import layer_metadata, layer_transform
from napari_medsynth.widgets import _request, synthesize
from napari_medsynth.widgets.parts import model_box

MODALITIES = ("T1", "T2", "PD", "FLAIR")


def pytest_collection_modifyitems(items):
    """Tests with real OpenGL need an X server."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        reason = "no DISPLAY: run it under xvfb-run"
        for item in items:
            if item.get_closest_marker("gl"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def nothing_stays(qapp, tmp_path, monkeypatch):
    """Settings go to a temporary folder; no widget and no worker outlives its test."""
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    before = set(QApplication.topLevelWidgets())
    yield
    if QApplication.keyboardModifiers():  # a click with Shift leaves it pressed
        QTest.mouseClick(QWidget(), Qt.MouseButton.LeftButton)
    GeneratorWorker.await_workers(msecs=10_000)
    for _ in range(3):
        QApplication.sendPostedEvents(None, 52)  # DeferredDelete
        QApplication.processEvents()
    stayed = [w for w in QApplication.topLevelWidgets() if w not in before]
    stayed = [
        w for w in stayed if w.isVisible() or type(w).__module__.startswith("nap")
    ]
    assert not stayed, f"top-level widgets stay: {stayed}"


@pytest.fixture(autouse=True)
def preferences(monkeypatch):
    """Preferences without a file: those of the manifest, kept for one test."""
    listeners = []
    values = {"device": "auto", "precision": "auto", "live_preview": False}
    values["listeners"] = listeners

    class Fake:
        device = property(lambda self: values["device"])
        precision = property(lambda self: values["precision"])
        live_preview = property(lambda self: values["live_preview"])
        results_folder = property(lambda self: values.get("results", ""))

        def keep(self, **chosen):
            values.update(chosen)

        def apply_home(self):
            return False

        def on_change(self, listener):
            listeners.append(listener)

        def off_change(self, listener):
            listeners.remove(listener)

    monkeypatch.setattr(synthesize, "Preferences", Fake)
    return values


@pytest.fixture
def unified() -> ModelCard:
    return ModelCard(
        id="fake-unified",
        family="resvit",
        task="synthesis",
        title="Fake unified",
        factory="napari_medsynth.models.resvit:ResViT",
        inputs=MODALITIES,
        outputs=MODALITIES,
        is_unified=True,
        sha256="ab" * 32,
        parameters=1_000_000,
        training_data="Nothing <b>at all</b>.",
        reference="See https://example.org/paper.",
        quality=(
            {
                "data": "phantom",
                "available": ["T1", "T2"],
                "target": "FLAIR",
                "psnr": 27.25,
                "ssim": 0.9,
            },
        ),
    )


@pytest.fixture
def one_to_one() -> ModelCard:
    return ModelCard(
        id="fake-ct",
        family="unet",
        task="denoising",
        title="Fake CT",
        factory="napari_medsynth.models.unet:UNet",
        inputs=("T1",),
        outputs=("CT",),
        intensity={"CT": {"kind": "window", "low": -1000, "high": 2000}},
    )


@pytest.fixture(autouse=True)
def cards(monkeypatch, unified, one_to_one):
    """The catalogue; change the list to change it."""
    listed = [unified, one_to_one]
    monkeypatch.setattr(model_box, "list_cards", lambda **_: list(listed))
    monkeypatch.setattr(model_box, "problems", lambda: [])
    return listed


class FakeEngine:
    """Gives slice i the value i + 1; waits before slice `wait_at` until `go` is set."""

    def __init__(self) -> None:
        self.requests = []
        self.wait_at: int | None = None
        self.raises: Exception | None = None
        self.go = threading.Event()
        self.waiting = threading.Event()
        self.n_closed = 0

    def predict(self, request):
        self.requests.append(request)
        try:
            return (yield from self._steps(request))
        finally:
            self.n_closed += 1

    def _steps(self, request):
        reference = request.reference
        n_all = reference.shape[request.axis]
        slices = range(n_all) if request.slices is None else request.slices
        slices = (slices,) if isinstance(slices, int) else tuple(slices)
        arrays = {m: np.zeros(reference.shape, np.float32) for m in request.targets}
        yield Progress(0, len(slices))
        for done, index in enumerate(slices):
            if done == self.wait_at:
                self.waiting.set()
                self.go.wait(10)
            if self.raises is not None:
                raise self.raises
            images = {}
            for modality, array in arrays.items():
                np.moveaxis(array, request.axis, 0)[index] = index + 1
                images[modality] = np.moveaxis(array, request.axis, 0)[[index]].copy()
            yield Progress(done + 1, len(slices), (index,), images)
        return self._result(request, arrays)

    @staticmethod
    def _result(request, arrays):
        provenance = {"model": request.card.id}
        metadata = {"synthetic": True, "provenance": provenance}
        volumes = {
            m: request.reference.with_data(
                array[np.newaxis], modality=m, metadata=metadata
            )
            for m, array in arrays.items()
        }
        attention = {}
        if request.options.attention:
            z, y, x = request.reference.shape
            coarse = np.random.default_rng(0).random((1, z, 4, 4), np.float32)
            spacing = request.reference.spacing
            attention[f"{request.options.attention} art_1"] = (
                request.reference.with_data(
                    coarse, spacing=(spacing[0], spacing[1] * y / 4, spacing[2] * x / 4)
                )
            )
        return Result(volumes, attention, provenance)


@pytest.fixture
def engine(monkeypatch):
    """The engine that runs instead of the real one."""
    fake = FakeEngine()

    def predict(request):
        return (yield from fake.predict(request))

    monkeypatch.setattr(_request, "_predict", predict)
    monkeypatch.setattr(_request, "_stamped", lambda request, result: result)
    yield fake
    fake.go.set()


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def add(study):
    """Add the study's volumes of some modalities to a viewer, as our reader does."""

    def add_layers(viewer, *modalities):
        return [
            viewer.add_image(
                study[m].data[0],
                name=m,
                contrast_limits=(0, 900),
                metadata={"medsynth": layer_metadata(study[m])},
                **layer_transform(study[m]),
            )
            for m in modalities
        ]

    return add_layers


@pytest.fixture
def dock(viewer, add, engine, qtbot):
    """A Synthesize dock over T1 and T2, in a viewer without a window."""
    add(viewer, "T1", "T2")
    widget = synthesize.SynthesizeWidget(viewer)
    qtbot.addWidget(widget)
    widget.settle()
    return widget
