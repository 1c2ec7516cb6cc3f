"""The Attention dock over models whose attention is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

from napari_medsynth.engine import slice_network
from napari_medsynth.explain.methods import MapSource
from napari_medsynth.widgets import _attention_form, _dock, attention
from napari_medsynth.widgets._attention_ask import ask_at
from napari_medsynth.widgets._roles import Role, shown_layers
from napari_medsynth.widgets.parts.state_chip import State
from widgets.attention_models import Looker, looked_at, looker_card, only

SHIFTS = {"base": 1, "tuned": 7}
PLACE = (2, 11, 7)  # voxel: in the network's image (11, 9), because it is padded
PIXEL = (11, 9)


class Networks:
    """Makes networks of `Looker`s and counts how often they run."""

    def __init__(self) -> None:
        self.n_runs = 0
        self.real = slice_network.SliceNetwork

    def __call__(self, card, **options):
        shift = SHIFTS.get(card.id)
        model = Looker(shift) if shift else Blind()
        networks = self

        class Counting(self.real):
            def __call__(self, *args, **kwargs):
                networks.n_runs += 1
                return super().__call__(*args, **kwargs)

        return Counting(card, model=model, **options)


class Blind(Looker):
    """No transformer."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, image):
        return super().forward(image)


@pytest.fixture(autouse=True)
def networks(monkeypatch):
    made = Networks()
    monkeypatch.setattr(slice_network, "SliceNetwork", made)
    return made


@pytest.fixture(autouse=True)
def catalogue(monkeypatch):
    listed = [looker_card("base"), looker_card("tuned")]
    monkeypatch.setattr(_attention_form, "list_cards", lambda: list(listed))
    return listed


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    class Fake:
        device, precision = "cpu", "fp32"

        def apply_home(self):
            return False

    for module in (_dock, _attention_form):
        monkeypatch.setattr(module, "Preferences", Fake)
    monkeypatch.setattr(_dock, "warm_up", lambda: None)
    monkeypatch.setattr(attention, "SETTLE", 1)
    monkeypatch.setattr(attention, "_AFTER_SHOWING", 1)


@pytest.fixture
def make(viewer, add, qtbot):
    def make_dock():
        if not viewer.layers:
            add(viewer, "T1", "T2")
            viewer.dims.set_current_step(0, PLACE[0])
        dock = attention.AttentionWidget(viewer)
        qtbot.addWidget(dock)
        dock.show()
        wait(qtbot, dock)
        return dock

    return make_dock


@pytest.fixture
def both(make, qtbot):
    """Two models ticked, one layer's mean of heads."""
    dock = make()
    dock.model_list.choose(("base", "tuned"))
    dock.set_map_source(MapSource("layer"))
    wait(qtbot, dock)
    return dock


def wait(qtbot, dock):
    qtbot.wait(20)
    qtbot.waitUntil(lambda: not dock.is_busy, timeout=10_000)


def at(viewer, voxel=PLACE):
    layer = viewer.layers["T1"]
    return np.add(layer.translate, np.multiply(voxel, layer.scale))


def ask(qtbot, dock, voxel=PLACE):
    dock.ask(ask_at(at(dock._viewer, voxel)))
    wait(qtbot, dock)


def maps(dock, number=0):
    layers = dock._view.cells.layers.items()
    return {cell: layer for (cell, slot), layer in layers if slot == number}


def test_a_click_shows_where_each_model_looked(both, qtbot):
    ask(qtbot, both)
    for title, shift in (("Base", 1), ("Tuned", 7)):
        layer = maps(both)[title]
        assert layer.visible
        assert only(layer.data) == (0, *looked_at(*PIXEL, shift))
        # the middle of that token lies where its pixels are
        row, column = looked_at(*PIXEL, shift)
        centre = layer.data_to_world((0, row, column))
        pixel = np.array([row, column]) * 8 + 3.5 - [0, 2]  # 2 columns of padding
        np.testing.assert_allclose(
            centre, at(both._viewer, (PLACE[0], *pixel)), atol=1e-6
        )


def test_every_model_has_a_cell_with_the_anatomy(both, viewer, qtbot):
    ask(qtbot, both)
    grid = viewer.canvas.grid
    assert (grid.enabled, grid.stride, tuple(grid.shape)) == (True, 3, (1, 2))
    kinds = [
        (x.name.split(":")[-1], grid.position(i, viewer.layers))
        for i, x in enumerate(viewer.layers)
        if x.visible
    ]
    assert [place for _, place in kinds] == [(0, 0)] * 3 + [(0, 1)] * 3
    assert kinds[0][0] == "Base over T1"
    assert kinds[3][0] == "Tuned over T1"
    assert np.shares_memory(viewer.layers[0].data, viewer.layers["T1"].data)
    viewer.layers["T1"].contrast_limits = (10, 300)  # they follow
    assert tuple(viewer.layers[3].contrast_limits) == (10, 300)


def test_a_caption_says_method_model_and_weights(both, qtbot):
    ask(qtbot, both)
    layer = maps(both)["Tuned"]
    sha = looker_card("tuned").sha256[:6]
    assert layer.name == f"layer all blocks layer 1 ({sha})"
    assert both._viewer.layers[3].name == "Tuned over T1"
    assert layer.name_overlay.visible
    known = layer.metadata["medsynth"]
    assert known["provenance"]["method"] == "layer all blocks layer 1"
    assert known["provenance"]["model"] == "tuned"
    both.model_list.choose(("tuned",))  # one cell is wide
    wait(qtbot, both)
    caption = f"layer all blocks layer 1, looked at: Tuned ({sha})"
    assert maps(both)["Tuned"].name == caption


def test_captions_of_three_cells_are_short_and_small(both, viewer, qtbot):
    ask(qtbot, both)
    sizes = [layer.name_overlay.font_size for layer in viewer.layers[:2]]
    both.pair_box.difference_box.setChecked(True)
    wait(qtbot, both)
    names = [layer.name for layer in viewer.layers if layer.visible]
    title = "Tuned \N{MINUS SIGN} Base"
    assert names[0::3] == ["Base", "Tuned", title]
    shas = [looker_card(name).sha256[:6] for name in ("base", "tuned")]
    method = "layer all blocks layer 1"
    assert names[1::3] == [*(f"{method} ({sha})" for sha in shas), method]
    small = [layer.name_overlay.font_size for layer in viewer.layers[:2]]
    assert all(a < b for a, b in zip(small, sizes, strict=True))
    both.set_honesty("Base", False, "It looks alike: with random weights, too.")
    grey = maps(both)["Base"].name
    assert grey.startswith("not honest: lay") and grey.endswith(f" ({shas[0]})")
    assert len(grey) <= 33
    both.pair_box.difference_box.setChecked(False)
    wait(qtbot, both)
    assert viewer.layers[0].name == "Base over T1"
    assert maps(both)["Base"].name == f"not honest: {method} ({shas[0]})"
    again = [layer.name_overlay.font_size for layer in viewer.layers[:2]]
    assert again == sizes


def test_cells_say_before_and_after_fine_tuning(both, viewer, catalogue, qtbot):
    ask(qtbot, both)
    facts = {"parent": catalogue[0].sha256}
    catalogue[1] = replace(catalogue[1], training=facts)
    both.refresh_models()
    both.pair_box.difference_box.setChecked(True)
    wait(qtbot, both)
    tops = [layer.name for layer in viewer.layers if layer.visible][0::3]
    assert tops == ["Base (before)", "Tuned (after)", "after \N{MINUS SIGN} before"]


def test_the_reverse_question(both, qtbot):
    ask(qtbot, both)
    both.source_box.choose(both.map_source(), is_reverse=True)
    wait(qtbot, both)
    assert only(maps(both)["Tuned"].data) == (0, *looked_at(*PIXEL, -7))


def test_a_second_click_does_not_run_the_models(both, qtbot, networks):
    ask(qtbot, both)
    before = networks.n_runs
    ask(qtbot, both, (2, 30, 20))
    assert networks.n_runs == before
    assert only(maps(both)["Base"].data) == (0, *looked_at(30, 22, 1))


def test_the_slice_is_computed_before_anyone_asks(make, qtbot, networks):
    dock = make()
    assert not dock.is_on
    before = networks.n_runs
    assert before >= 1
    dock.set_map_source(MapSource("layer"))
    ask(qtbot, dock)
    assert networks.n_runs == before


def test_the_query_follows_the_slider(both, viewer, qtbot, networks):
    ask(qtbot, both)
    before = networks.n_runs
    viewer.dims.set_current_step(0, 4)
    wait(qtbot, both)
    assert networks.n_runs == before + 2
    layer = maps(both)["Base"]
    assert only(layer.data) == (0, *looked_at(*PIXEL, 1))
    assert layer.data_to_world((0, 0, 0))[0] == at(viewer, (4, 0, 0))[0]


def test_pins_have_maps_of_their_own_in_their_colour(both, viewer, qtbot):
    ask(qtbot, both)
    both.pin()
    wait(qtbot, both)
    assert only(maps(both, 1)["Base"].data) == (0, *looked_at(*PIXEL, 1))
    assert not maps(both)["Base"].visible  # the whole slice would cover the pins
    ask(qtbot, both, (2, 30, 20))
    assert viewer.canvas.grid.stride == 4
    assert only(maps(both)["Base"].data) == (0, *looked_at(30, 22, 1))
    assert maps(both, 1)["Base"].colormap.name == "clear #ff9f1c"
    marks = both._view.cells.layers["Base", "marks"]
    shown = [marks.data_to_world(place) for place in marks.data]
    np.testing.assert_allclose(shown, [at(viewer, (2, 30, 20)), at(viewer)])
    both.unpin(1)
    wait(qtbot, both)
    assert not maps(both, 1)
    assert viewer.canvas.grid.stride == 3


def test_hiding_brings_back_everything(both, viewer, qtbot):
    viewer.layers["T2"].visible = False
    viewer.layers.selection = {viewer.layers["T1"]}
    viewer.scene.camera.zoom = 3.25
    ask(qtbot, both)
    assert not viewer.layers["T1"].visible
    both.show_button.click()
    wait(qtbot, both)
    assert [x.name for x in viewer.layers] == ["T1", "T2"]
    assert [x.visible for x in viewer.layers] == [True, False]
    assert not viewer.canvas.grid.enabled
    assert viewer.scene.camera.zoom == 3.25
    assert viewer.layers.selection == {viewer.layers["T1"]}


def test_without_cells_the_first_map_lies_over_the_layers(both, viewer, qtbot):
    both.side_box.setChecked(False)
    ask(qtbot, both)
    assert not viewer.canvas.grid.enabled
    assert viewer.layers["T1"].visible
    assert maps(both)["Base"].visible
    assert not maps(both)["Tuned"].visible
    both.side_box.setChecked(True)
    wait(qtbot, both)
    assert viewer.canvas.grid.enabled
    assert not viewer.layers["T1"].visible


def test_the_difference_is_the_second_minus_the_first(both, qtbot):
    both.pair_box.difference_box.setChecked(True)
    ask(qtbot, both)
    layer = maps(both)["Tuned \N{MINUS SIGN} Base"]
    expected = np.zeros((1, 5, 5))
    expected[0][looked_at(*PIXEL, 7)] = 25  # times its mean
    expected[0][looked_at(*PIXEL, 1)] = -25
    np.testing.assert_allclose(layer.data, expected, atol=1e-4)
    low, high = layer.contrast_limits
    assert low == -high
    # ranks of 25 tokens, each with one at the top: -1 / 24
    assert "-0.04" in both.pair_box.correlation_label.text()


def test_a_model_that_fails_is_named_and_the_other_shown(both, catalogue, qtbot):
    catalogue.append(looker_card("blind"))
    both.refresh_models()
    both.model_list.choose(("base", "blind"))
    ask(qtbot, both)
    assert "Blind: Blind has no attention" in both.status_label.text()
    assert maps(both)["Base"].visible
    assert not maps(both)["Blind"].visible


def test_a_map_that_is_not_honest_is_grey_with_the_reason(both, qtbot):
    ask(qtbot, both)
    both.set_honesty("Tuned", False, "It looks alike: with random weights, too.")
    assert maps(both)["Tuned"].colormap.name == "clear gray"
    assert maps(both)["Tuned"].name.startswith("not honest: layer")
    assert maps(both)["Base"].colormap.name == "clear inferno"
    assert "Tuned: not honest, it looks alike" in both.status_label.text()
    both.set_honesty("Tuned", True)
    assert maps(both)["Tuned"].colormap.name == "clear inferno"
    assert not both.status_label.text()


def test_another_method_takes_the_verdict_back(both, qtbot):
    ask(qtbot, both)
    both.set_honesty("Tuned", False, "No.")
    both.set_map_source(MapSource("mean"))
    wait(qtbot, both)
    assert not both.model_list.reasons()
    assert maps(both)["Tuned"].colormap.name == "clear inferno"


def test_records_are_told(both, qtbot):
    told = []
    both.record_changed.connect(told.append)
    ask(qtbot, both)
    titles = [title for title, _ in told[-1]]
    assert titles == ["Base", "Tuned"]
    assert all(record.index == PLACE[0] for _, record in told[-1])
    assert both.source_box.block_combo.findData("art_1") > 0


def test_all_slices_become_layers_that_stay(both, viewer, qtbot):
    ask(qtbot, both)
    both.run_box.run_button.click()
    qtbot.waitUntil(lambda: not both.run_box.is_running, timeout=10_000)
    wait(qtbot, both)
    both.show_button.click()
    wait(qtbot, both)
    kept = [x for x in viewer.layers if x.name.endswith("all slices")]
    assert len(kept) == 2
    for layer, shift in zip(kept, (1, 7), strict=True):
        assert layer.data.shape == (6, 5, 5)
        for slice_ in layer.data[1:5]:  # the first and last may be empty
            assert only(slice_) == looked_at(*PIXEL, shift)
    roles = {shown.layer.name: shown.role for shown in shown_layers(viewer.layers)}
    assert all(roles[layer.name] is Role.ATTENTION for layer in kept)


def test_all_slices_can_be_cancelled(both, viewer, qtbot):
    both.run_box.run_button.click()
    both.run_box.cancel_button.click()
    qtbot.waitUntil(lambda: not both.run_box.is_running, timeout=10_000)
    assert both.run_box.status_label.text() == "Cancelled."
    assert not any(x.name.endswith("all slices") for x in viewer.layers)


def test_all_slices_that_are_done_already_can_be_cancelled(both, viewer, qtbot):
    both.run_box.run_button.click()
    assert QThreadPool.globalInstance().waitForDone(10_000)  # the dock has not heard
    both.run_box.cancel_button.click()
    qtbot.waitUntil(lambda: not both.run_box.is_running, timeout=10_000)
    assert both.run_box.status_label.text() == "Cancelled."
    assert not any(x.name.endswith("all slices") for x in viewer.layers)


def test_our_layers_are_no_source(both, qtbot):
    ask(qtbot, both)
    both._listed = []
    both._on_layers_settled()
    assert [x.name for x in both.modality_table.sources().values()] == ["T1", "T2"]
    assert both.query_list.layer() is None


def test_removing_one_of_our_layers_hides_attention(both, viewer, qtbot):
    ask(qtbot, both)
    viewer.layers.remove(maps(both)["Base"])
    wait(qtbot, both)
    assert not both.is_on
    assert [x.name for x in viewer.layers] == ["T1", "T2"]


def test_a_region_of_a_layer_is_asked(both, viewer, qtbot):
    viewer.add_points(np.array([at(viewer)]), name="here")
    wait(qtbot, both)
    both.query_list.ask_button.click()
    wait(qtbot, both)
    assert both.is_on
    assert only(maps(both)["Base"].data) == (0, *looked_at(*PIXEL, 1))


def test_a_click_beside_the_image_is_one_sentence(both, qtbot):
    ask(qtbot, both, (2, -9, 7))
    assert "outside the image" in both.status_label.text()


def test_changed_voxels_are_read_again(both, viewer, qtbot, networks):
    ask(qtbot, both)
    before = networks.n_runs
    viewer.layers["T1"].data = viewer.layers["T1"].data * 2
    wait(qtbot, both)
    assert networks.n_runs == before + 2


def test_without_images_it_says_what_is_needed(viewer, qtbot):
    dock = attention.AttentionWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.show_button.click()
    wait(qtbot, dock)
    assert "Open an image" in dock.status_label.text()
    assert not viewer.layers


def test_choices_are_remembered(both, make, qtbot):
    both.source_box.choose(MapSource("head", "art_1", 1, 1), is_reverse=True)
    both.side_box.setChecked(False)
    both.look_box.opacity_slider.setValue(33)
    wait(qtbot, both)
    other = make()
    assert list(other.model_list.cards()) == ["Base", "Tuned"]
    assert other.map_source() == MapSource("head", "art_1", 1, 1)
    assert other.source_box.is_reverse
    assert not other.side_box.isChecked()
    assert other.look_box.look().opacity == 33


def test_a_dock_that_is_gone_listens_no_more(viewer, add):
    add(viewer, "T1", "T2")
    n_callbacks = len(viewer.mouse_drag_callbacks)
    dock = attention.AttentionWidget(viewer)
    assert len(viewer.mouse_drag_callbacks) == n_callbacks + 1
    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    assert len(viewer.mouse_drag_callbacks) == n_callbacks
    viewer.dims.set_current_step(0, 1)  # nobody is there to fail
    viewer.layers.remove("T1")


def test_in_3d_it_says_what_to_do(both, viewer, qtbot):
    ask(qtbot, both)
    viewer.dims.ndisplay = 3
    wait(qtbot, both)
    assert "switch the viewer back to 2D" in both.status_label.text()
    assert not maps(both)["Base"].visible
    viewer.dims.ndisplay = 2
    wait(qtbot, both)
    assert not both.status_label.text()
    assert maps(both)["Base"].visible


def test_another_plane_than_the_viewers_is_named(both, viewer, qtbot):
    ask(qtbot, both)
    viewer.dims.order = (1, 0, 2)
    wait(qtbot, both)
    text = both.status_label.text()
    assert "run on axial slices, and you look at coronal ones" in text
    both.plane_combo.setCurrentText("coronal")
    wait(qtbot, both)
    assert "you look at" not in both.status_label.text()


def test_maps_go_when_there_is_nothing_to_paint(both, qtbot):
    ask(qtbot, both)
    both.modality_table.set_state("FLAIR", State.IGNORED)
    wait(qtbot, both)
    assert both.status_label.text()
    assert not maps(both)["Base"].visible
