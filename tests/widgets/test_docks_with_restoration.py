"""Trust, Attention and Compare with models that restore and what they made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth import catalogue
from napari_medsynth.catalogue import ModelCard, build_model, models_folder, write_pack
from napari_medsynth.explain.methods import METHODS
from napari_medsynth.widgets import _attention_form, _dock, trust
from napari_medsynth.widgets._layers import like, volume_from_layer
from napari_medsynth.widgets._requests import Requests
from napari_medsynth.widgets.attention import AttentionWidget
from napari_medsynth.widgets.compare import CompareWidget
from napari_medsynth.widgets.parts import model_box
from napari_medsynth.widgets.parts.modality_table import ModalityTable
from napari_medsynth.widgets.parts.options_box import RunOptions
from napari_medsynth.widgets.parts.site_box import why_not_here
from widgets.restoring import FULL, RICIAN, THINNER

X2 = ModelCard(
    id="x2",
    family="edsr",
    task="super-resolution",
    title="X2",
    factory="napari_medsynth.models.edsr:EDSR",
    options={"width": 4, "n_blocks": 1, "scale": 2},
    inputs=("low-resolution X-ray",),
    outputs=("X-ray",),
    intensity=FULL,
    scale=2,
    size_multiple=2,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
    sha256="ef" * 32,
)


@pytest.fixture
def x2():
    """A network with random weights that doubles the resolution."""
    import torch

    torch.manual_seed(0)
    arrays = {k: v.numpy() for k, v in build_model(X2).state_dict().items()}
    path = models_folder() / "x2.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_pack(path, X2, arrays).card


@pytest.fixture(autouse=True)
def no_background(monkeypatch):
    monkeypatch.setattr(model_box, "list_cards", catalogue.list_cards)
    monkeypatch.setattr(_attention_form, "list_cards", catalogue.list_cards)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)
    monkeypatch.setattr(trust, "AFTER_SHOWING", 1)


def xray(size=(24, 20)):
    rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    return (500 * np.exp(-2 * (rows**2 + columns**2)) + 50 * columns).astype("f4")


@pytest.fixture
def layer(viewer):
    return viewer.add_image(xray(), name="picture", scale=(0.8, 0.8))


@pytest.fixture
def trust_dock(viewer, layer, x2, qtbot):
    dock = trust.TrustWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    qtbot.waitUntil(lambda: dock.is_ready)
    dock.model_box.choose("x2")
    qtbot.wait(30)
    return dock


def requests_of(card, layer, plane="axial"):
    return Requests().make(
        {card.title: card},
        {card.inputs[0]: layer},
        card.outputs,
        RunOptions(plane=plane),
    )


def test_an_image_of_no_name_is_what_is_restored(layer, viewer, qtbot):
    made = {"medsynth": {"synthetic": True}}
    synthetic = viewer.add_image(xray(), name="made", metadata=made)
    table = ModalityTable()
    qtbot.addWidget(table)
    table.set_layers([synthetic, layer])
    table.set_card(X2)
    assert table.sources() == {"low-resolution X-ray": layer}
    assert table.targets() == ("X-ray",)
    row = table.rows["low-resolution X-ray"]
    assert row.box.text() != "low-resolution X-ray"  # no room for it
    assert row.box.accessibleName() == "low-resolution X-ray"
    table._on_layer_chosen("low-resolution X-ray", None)
    assert table.sources() == {}  # by hand


def test_the_request_is_on_the_grid_of_the_result(layer, viewer):
    requests, reasons = requests_of(X2, layer)
    assert reasons == {}
    request = requests["X2"]
    coarse = volume_from_layer(layer)
    assert request.reference.shape == (1, 48, 40)
    np.testing.assert_array_equal(request.reference.data[0, 0, ::2, ::2], xray())
    np.testing.assert_array_equal(request.reference.data[0, 0, 1::2, 1::2], xray())
    # both cover the same area
    place, own = request.place, like(layer)
    for axis in (1, 2):
        first = place["translate"][axis] - place["scale"][axis] / 2
        assert first == pytest.approx(own["translate"][axis] - own["scale"][axis] / 2)
        length = place["scale"][axis] * request.reference.shape[axis]
        assert length == pytest.approx(coarse.spacing[axis] * coarse.shape[axis])


def test_what_is_only_denoised_stays_on_its_grid(layer):
    request = requests_of(RICIAN, layer)[0]["Rician"]
    assert request.reference.shape == (1, 24, 20)
    np.testing.assert_allclose(request.place["scale"], like(layer)["scale"])


def test_thick_slices_are_restored_from_the_side(viewer):
    layer = viewer.add_image(np.stack([xray()] * 3), name="thick", scale=(3, 1, 1))
    assert "coronal or sagittal" in requests_of(THINNER, layer)[1]["Thinner"]
    request = requests_of(THINNER, layer, "coronal")[0]["Thinner"]
    assert request.reference.shape == (9, 24, 20)


def test_one_image_shares_nothing_and_the_dock_says_so(trust_dock):
    assert trust_dock.reason() == ""
    words = trust_dock.contribution_box.form.run_box
    assert not words.run_button.isEnabled()
    assert "nothing to share out" in words.run_button.toolTip() + "".join(
        label.text() for label in words.findChildren(type(trust_dock.reason_label))
    )
    assert "takes all of" in trust_dock.advice_view.best_label.text()


def test_a_restoration_is_tested_in_its_own_dock(trust_dock, unified):
    assert "Super-resolve and denoise" in why_not_here(X2)
    assert why_not_here(unified) == ""
    assert not trust_dock.site_box.self_test_box.run_box.run_button.isEnabled()


def test_augmentation_tells_how_sure_a_x2_network_is(trust_dock, viewer, qtbot):
    for section in trust_dock.sections.values():
        section.expand(animate=False)
    box = trust_dock.uncertainty_box
    box.form.run_box.run_button.click()
    qtbot.waitUntil(lambda: not box.is_busy, timeout=30_000)
    qtbot.wait(50)

    (spread,) = [x for x in viewer.layers if "spread" in x.name]
    assert spread.data.shape == (1, 48, 40)
    assert spread.scale[-1] == pytest.approx(0.4)
    assert np.isfinite(spread.data).all()
    assert spread.data.max() > 0


def test_attention_says_why_there_is_none_and_gradients_work(viewer, layer, x2, qtbot):
    dock = AttentionWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.model_list.choose(["x2"])
    dock.show_button.setChecked(True)
    qtbot.waitUntil(lambda: "no attention" in dock.status_label.text(), timeout=20_000)
    assert "gradient" in dock.status_label.text()
    source = dock.map_source()
    gradients = next(m for m, about in METHODS.items() if not about.needs_attention)
    dock.set_map_source(replace(source, method=gradients))
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)
    qtbot.waitUntil(lambda: "no attention" not in dock.status_label.text())
    dock.show_button.setChecked(False)


def test_compare_subtracts_and_measures_results_of_another_grid(viewer, layer, qtbot):
    """An image repeated on half the pixel size differs nowhere from itself."""
    fine = np.kron(xray(), np.ones((2, 2), "f4"))[np.newaxis]
    metadata = {"medsynth": {"synthetic": True, "modality": "CXR"}}
    layer.metadata = {"medsynth": {"modality": "CXR"}}
    finer = viewer.add_image(
        fine,
        name="finer",
        scale=(1, 0.4, 0.4),
        translate=(0, -0.2, -0.2),
        metadata=metadata,
    )
    dock = CompareWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.settle()
    assert set(dock.modes.pair()) == {layer, finer}
    dock.modes.difference_clicked.emit()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=20_000)
    difference = viewer.layers[-1]
    assert np.nanmedian(np.abs(difference.data)) < 5  # of 500; interpolated

    box = dock.metrics_box
    box.form.measure_button.click()
    qtbot.waitUntil(lambda: box.comparison is not None, timeout=20_000)
    qtbot.waitUntil(lambda: not box.is_busy, timeout=20_000)
    assert box.form.table.rowCount() > 0
