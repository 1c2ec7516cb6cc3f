"""Scans made back from a synthesis: numbers and maps."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from skimage.metrics import peak_signal_noise_ratio

from napari_medsynth.engine import predict
from napari_medsynth.engine.metrics import foreground
from napari_medsynth.io.geometry import layer_metadata, layer_transform
from napari_medsynth.trust import consistency
from napari_medsynth.widgets._request import make_request
from napari_medsynth.widgets._roles import Role, facts, shown_layers
from napari_medsynth.widgets.parts.consistency_box import ConsistencyBox
from napari_medsynth.widgets.parts.options_box import RunOptions
from widgets.trust_model import CARD, Mixer


@pytest.fixture
def mixer(monkeypatch):
    made = Mixer()

    def predict_by_mixer(*args, **options):
        return (yield from predict(*args, **{**options, "model": made}))

    monkeypatch.setattr(consistency, "predict", predict_by_mixer)
    yield made
    made.go.set()


@pytest.fixture
def synthesis(viewer, study, rng):
    """A synthetic FLAIR: the PD, half as bright, with noise."""
    pd = study["PD"].data
    noise = np.where(pd > 0, rng.normal(0, 30, pd.shape), 0)
    volume = study["FLAIR"].with_data((0.5 * pd + noise).astype(np.float32))
    known = {**layer_metadata(volume), "synthetic": True}
    return viewer.add_image(
        volume.data[0],
        name="FLAIR (synthetic)",
        metadata={"medsynth": known},
        **layer_transform(volume),
    )


@pytest.fixture
def box(viewer, add, synthesis, mixer, qtbot):
    layers = {layer.name: layer for layer in add(viewer, "T1", "PD")}
    request = make_request(CARD, layers, ("FLAIR",), RunOptions())
    widget = ConsistencyBox(viewer, lambda: request)
    qtbot.addWidget(widget)
    widget.show()
    yield widget
    widget.close()


def run(box, qtbot):
    QTest.mouseClick(box.run_box.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)


def maps(viewer):
    shown = [s.layer for s in shown_layers(viewer.layers) if s.role is Role.TRUST]
    return {facts(x)["source"]: x for x in shown}


def test_scans_made_back_are_compared_with_the_real_ones(box, viewer, study, qtbot):
    run(box, qtbot)
    layers, rows = maps(viewer), box.table.texts()
    assert [row[0] for row in rows] == ["T1", "PD"] == list(layers)
    for source, *numbers, usual in rows:
        layer = layers[source]
        assert layer.data.shape == study["T1"].shape
        assert np.abs(layer.data).max() <= 1
        # both were scaled to [0, 1]: their difference tells the PSNR
        inside = layer.data[foreground(study[source].data)[0]]
        psnr = peak_signal_noise_ratio(np.zeros_like(inside), inside, data_range=1)
        assert float(numbers[0]) == pytest.approx(psnr, abs=0.06)
        mae = np.abs(inside).mean()
        assert float(numbers[2]) == pytest.approx(mae, abs=6e-4)
        assert usual == "not known"
        assert facts(layer)["trust"] == "disagreement"
    assert layers["T1"].name == "T1 back from FLAIR, disagreement: Mixer (abcdef)"
    assert [x.visible for x in layers.values()] == [True, False]
    assert "self-test" in box.words_label.text()


def test_one_slice_is_the_one_on_the_screen(box, viewer, qtbot):
    viewer.dims.set_current_step(0, 2)
    box.extent_combo.setCurrentIndex(box.extent_combo.findData("one"))
    run(box, qtbot)
    filled = maps(viewer)["T1"].data.any(axis=(1, 2))
    assert np.flatnonzero(filled).tolist() == [2]


def test_without_a_synthesis_it_says_what_to_do(box, viewer, synthesis, qtbot):
    viewer.layers.remove(synthesis)
    qtbot.waitUntil(lambda: box.layer_combo.count() == 0)
    assert not box.run_box.run_button.isEnabled()
    assert "Synthesize" in box.run_box.reason_label.text()
    box.run()
    assert not box.is_busy


def test_cancel_is_heard_at_once(box, viewer, mixer, qtbot):
    mixer.go.clear()
    QTest.mouseClick(box.run_box.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: box.is_busy)
    QTest.mouseClick(box.run_box.cancel_button, Qt.MouseButton.LeftButton)
    assert not box.is_busy
    assert box.run_box.status_label.text() == "Cancelled."
    mixer.go.set()
    qtbot.wait(100)
    assert not maps(viewer)


def test_failure_is_one_sentence(box, mixer, qtbot):
    def fail(image):
        raise RuntimeError("no\nway")

    mixer.forward = fail
    run(box, qtbot)
    assert "no" in box.run_box.status_label.text()
    assert "\n" not in box.run_box.status_label.text()


def test_extent_is_remembered(box):
    box.set_from_json({"extent": "one"})
    assert box.to_json() == {"extent": "one"}
    box.set_from_json({"extent": "some"})
    assert box.to_json() == {"extent": "one"}
