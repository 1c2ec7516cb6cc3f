"""Testing a model on an image of one's own, with real degradations and networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsynth.engine.metrics import mae, psnr
from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import layer_tuple
from napari_medsynth.simulate import degrade_volume
from napari_medsynth.widgets._restore_scores import compared
from napari_medsynth.widgets._restore_work import make_worse
from napari_medsynth.widgets.parts.degrade_box import DegradeBox
from napari_medsynth.widgets.restore import RestoreWidget
from widgets.restoring import CLEANER, FINER, RICIAN, THINNER, install


@pytest.fixture
def cards(nothing_stays, cards):
    del cards[:]
    cards += [
        install(FINER),
        install(THINNER),
        install(replace(CLEANER, degradation={**CLEANER.degradation, "photons": 1e6})),
        install(RICIAN, blurs=True),
    ]
    return cards


@pytest.fixture
def scan():
    """An image with one bright voxel, far from the middle, on sides that do not fit."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in (13, 27, 25)), indexing="ij")
    data = 200 * np.exp(-((z - 6) ** 2 + (y - 12) ** 2 + (x - 12) ** 2) / 60)
    data[4:7, 5:9, 15:19] += 600
    return Volume(
        data[np.newaxis].astype(np.float32),
        spacing=(2.0, 0.8, 0.9),
        origin=(-40.0, 11.0, 7.0),
        modality="T1",
        name="scan",
    )


@pytest.fixture
def dock(viewer, scan, cards, qtbot):
    data, options, _ = layer_tuple(scan)
    viewer.add_image(data, **options)
    widget = RestoreWidget(viewer)
    qtbot.addWidget(widget)
    widget.settle()
    widget.restore_box.set_options({"device": "cpu"})
    return widget


def wait_until_done(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=20_000)


def make_and_run(qtbot, dock, card_id, task):
    dock.model_box.choose(card_id, task=task)
    QTest.mouseClick(dock.degrade_box.make_button, Qt.MouseButton.LeftButton)
    wait_until_done(qtbot, dock)
    worse = dock.layer
    dock.run()
    wait_until_done(qtbot, dock)
    return worse


def centre_of(layer):
    """World position of the bright block [mm]."""
    data = np.asarray(layer.data, float)
    found = np.argwhere(data > 0.5 * data.max())
    return np.asarray(layer.data_to_world(found.mean(axis=0)))


@pytest.mark.parametrize(
    ("card_id", "factor"), [("finer", (1, 2, 2)), ("thinner", (3, 1, 1))]
)
def test_a_structure_stays_where_it_is(qtbot, dock, viewer, scan, card_id, factor):
    worse = make_and_run(qtbot, dock, card_id, "super-resolution")
    original, result = viewer.layers[0], viewer.layers[-1]

    assert len(viewer.layers) == 3
    np.testing.assert_allclose(worse.scale, np.multiply(scan.spacing, factor))
    np.testing.assert_allclose(result.scale, scan.spacing, rtol=1e-5)
    cut = tuple(n - n % f for n, f in zip(scan.shape, factor, strict=True))
    assert result.data.shape == cut
    np.testing.assert_allclose(result.translate, original.translate, atol=1e-6)
    miss = np.abs(centre_of(result) - centre_of(original))
    assert np.all(miss < 0.5 * np.asarray(scan.spacing))


def test_a_network_that_changes_nothing_scores_as_the_interpolation(qtbot, dock):
    make_and_run(qtbot, dock, "finer", "super-resolution")

    plain, result = dock.degrade_box.table.texts()

    assert plain[0] == "Interpolated"
    assert plain[1:] == result[1:]
    assert 15 < float(plain[1]) < 60
    assert plain[3].endswith("%")
    assert "all slices" in dock.degrade_box.note_label.text()
    assert dock.sections["Test on my own image"].isExpanded()


def test_a_network_that_smooths_scores_better_than_the_noise(qtbot, dock):
    dock.model_box.choose("rician", task="denoising")
    dock.degrade_box.share_spin.setValue(20)
    make_and_run(qtbot, dock, "rician", "denoising")

    noisy, result = dock.degrade_box.table.texts()

    assert noisy[0] == "Noisy"
    assert float(result[1]) > float(noisy[1]) + 1


def test_test_images_of_low_dose_are_hu_and_measured_in_hu(qtbot, dock, viewer):
    viewer.layers[0].metadata["medsynth"]["modality"] = "CT"
    make_and_run(qtbot, dock, "cleaner", "denoising")

    table = dock.degrade_box.table.texts()

    assert all(row[3].endswith("HU") for row in table)
    assert "-1024 to 3072 HU" in dock.degrade_box.note_label.text()
    result, noisy = viewer.layers[-1], viewer.layers[-2]
    np.testing.assert_allclose(result.data, noisy.data, atol=0.5)  # the HU scale


def test_another_factor_than_that_of_the_test_is_not_compared(qtbot, dock):
    dock.model_box.choose("thinner", task="super-resolution")
    dock.make_test()
    wait_until_done(qtbot, dock)
    dock.restore_box.factor_spin.setValue(2)
    dock.run()
    wait_until_done(qtbot, dock)

    assert dock.degrade_box.table.texts() == []
    assert "is not on the grid" in dock.degrade_box.note_label.text()


def test_a_test_image_of_a_test_image_is_one_of_the_original(qtbot, dock, viewer):
    dock.make_test()
    wait_until_done(qtbot, dock)
    dock.make_test()
    wait_until_done(qtbot, dock)

    assert [layer.data.shape for layer in viewer.layers][1:] == [(13, 13, 12)] * 2
    dock.undo()
    dock.undo()
    assert dock.layer is viewer.layers[0]
    assert len(viewer.layers) == 1


def test_a_radiograph_of_two_dimensions_is_enlarged(qtbot, viewer, cards):
    image = np.random.default_rng(0).random((31, 40), np.float32)
    viewer.add_image(image, name="cxr", scale=(0.2, 0.3))
    dock = RestoreWidget(viewer)
    qtbot.addWidget(dock)
    dock.settle()
    dock.model_box.choose("finer", task="super-resolution")
    dock.restore_box.set_options({"device": "cpu"})

    dock.run()
    wait_until_done(qtbot, dock)

    result = viewer.layers[-1]
    assert result.data.shape == (1, 62, 80)
    np.testing.assert_allclose(result.scale[1:], (0.1, 0.15))
    np.testing.assert_allclose(result.translate[1:], (-0.05, -0.075))


def test_cancelling_a_test_image_leaves_none(qtbot, dock, viewer):
    dock.make_test()
    dock.cancel()
    qtbot.wait(100)

    assert len(viewer.layers) == 1
    assert not dock.is_busy
    assert dock.run_box.status_label.text() == "Cancelled."


@pytest.mark.parametrize(
    ("card", "plane"), [(FINER, "axial"), (FINER, "coronal"), (THINNER, "coronal")]
)
def test_piece_by_piece_gives_the_same_as_at_once(scan, card, plane):
    spec = {**card.degradation, "noise": [0.03, 0.08]}
    steps = make_worse(lambda: scan, spec, plane)
    shares = []
    try:
        while True:
            shares.append(next(steps))
    except StopIteration as finished:
        _, worse = finished.value
    wanted = degrade_volume(scan, spec, np.random.default_rng(0), plane=plane)

    np.testing.assert_array_equal(worse.data, wanted.data)
    assert worse.spacing == wanted.spacing
    assert worse.origin == wanted.origin
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_scores_are_those_of_the_metrics_in_the_unit_of_the_image(scan):
    noise = np.random.default_rng(1).normal(0, 20, scan.data.shape).astype(np.float32)
    plain, made = (scan.with_data(scan.data + s * noise) for s in (1.0, 0.5))

    found = compared(scan, plain, made, FINER)

    low, high = float(scan.data.min()), float(scan.data.max())
    assert (found.low, found.high) == (low, high)
    assert found.plain.psnr == pytest.approx(
        psnr(plain.data, scan.data, data_range=high - low)
    )
    assert found.result.psnr == pytest.approx(found.plain.psnr + 6.02, abs=0.01)
    share = mae(made.data, scan.data, data_range=high - low)
    assert found.rows("Plain")[1][3] == f"{100 * share:.2f} %"
    of_ct = compared(scan, plain, made, CLEANER).rows("Plain")
    assert of_ct[1][3] == f"{share * (high - low):.1f} HU"


@pytest.mark.parametrize(
    ("card", "wanted"),
    [
        (FINER, {"factor": [2, 2], "method": "area", "noise": 0.0}),
        (THINNER, {"factor": [3, 1], "profile": "gaussian", "noise": 0.02}),
        (CLEANER, {"dose": 0.3}),
        (RICIAN, {"sigma": 0.07}),
    ],
)
def test_the_form_begins_with_the_middle_of_the_models_degradation(qtbot, card, wanted):
    box = DegradeBox()
    qtbot.addWidget(box)

    box.set_card(card)

    assert box.spec() == {"kind": card.degradation["kind"], **wanted}


def test_sliders_set_the_degradation(qtbot):
    box = DegradeBox()
    qtbot.addWidget(box)
    box.set_card(CLEANER)
    box.share_slider.setValue(5)
    assert box.share_spin.value() == 5
    assert box.spec()["dose"] == 0.05

    box.set_card(THINNER)
    box.factor_spin.setValue(5)
    assert box.spec()["factor"] == [5, 1]


@pytest.mark.parametrize("card_id", ["finer", "thinner"])
@pytest.mark.parametrize(
    "placed",
    [
        {"scale": (-2000, 800, 900), "translate": (5000, -40, 7), "units": "um"},
        {"scale": (2, 0.8, 0.9), "affine": np.diag([1.5, 2, 2, 1])},
        {"scale": (0.5, 3.0, 0.5), "translate": (1, 2, 3)},
    ],
    ids=["flipped, in micrometres", "stretched", "thick coronal slices"],
)
def test_layers_of_any_kind_are_covered_exactly(
    qtbot, viewer, scan, cards, card_id, placed
):
    layer = viewer.add_image(scan.data[0], name="any", **placed)
    dock = RestoreWidget(viewer)
    qtbot.addWidget(dock)
    dock.settle()
    dock.model_box.choose(card_id, task="super-resolution")
    dock.restore_box.set_options({"device": "cpu"})

    dock.run()
    wait_until_done(qtbot, dock)

    result = viewer.layers[-1]
    assert result is not layer
    for one, other in zip(borders(layer), borders(result), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    miss = np.abs(centre_of(result) - centre_of(layer))
    assert np.all(miss < 0.5 * np.abs(layer.extent.step))


def borders(layer):
    """Outer borders of the voxels in the world, the lower and the upper one."""
    half = np.full(3, 0.5)
    corners = [
        np.asarray(layer.data_to_world(c))
        for c in (-half, np.asarray(layer.data.shape) - half)
    ]
    return np.min(corners, axis=0), np.max(corners, axis=0)
