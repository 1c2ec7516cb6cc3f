"""The signed difference of two layers, and windows that are linked."""

import numpy as np
import pytest

from napari_medsynth.widgets._difference import Differences
from napari_medsynth.widgets._roles import Role, shown_layers
from napari_medsynth.widgets._window_link import WindowLink


@pytest.fixture
def differences(viewer, qtbot):
    made = Differences(viewer)
    yield made
    made.stop()


@pytest.fixture
def pair(viewer, add):
    """A real FLAIR in one window and a synthetic one in another."""
    real, made = add(viewer, "T1", "FLAIR")
    facts = {"model": "m", "model_title": "Model M"}
    known = {**made.metadata["medsynth"], "synthetic": True, "provenance": facts}
    made.metadata = {"medsynth": known}
    real.contrast_limits, made.contrast_limits = (50, 850), (100, 400)
    return real, made


def subtract(differences, pair, qtbot):
    with qtbot.waitSignal(differences.made) as made:
        differences.start(*pair)
    return made.args[0]


def test_each_image_is_scaled_by_its_own_window_and_nothing_is_cut_off(
    differences, pair, qtbot
):
    layer = subtract(differences, pair, qtbot)
    real, made = (np.asarray(x.data, float) for x in pair)
    expected = (made - 100) / 300 - (real - 50) / 800
    np.testing.assert_allclose(layer.data, expected, atol=1e-5)
    assert expected.min() < -0.2  # beyond the window


def test_the_layer_says_what_it_is(differences, pair, viewer, qtbot):
    layer = subtract(differences, pair, qtbot)
    (shown,) = (s for s in shown_layers(viewer.layers) if s.layer == layer)
    assert (shown.role, shown.model) == (Role.DIFFERENCE, "Model M")
    known = layer.metadata["medsynth"]
    assert known["synthetic"]
    assert known["provenance"]["difference"]["of"] == "FLAIR"
    assert known["provenance"]["difference"]["windows"] == [[100, 400], [50, 850]]
    assert layer.name.startswith("difference: FLAIR")
    np.testing.assert_allclose(layer.translate, pair[0].translate)


def test_no_difference_is_black_and_signs_have_colours(differences, pair, qtbot):
    layer = subtract(differences, pair, qtbot)
    shares = (np.array([-0.3, 0.0, 0.3]) + 0.3) / 0.6
    darker, same, brighter = layer.colormap.map(shares)[:, :3]
    assert darker.argmax() == 2 and brighter.argmax() == 0
    np.testing.assert_allclose(same, 0, atol=1e-6)


def test_the_range_stays_symmetric(differences, pair, qtbot):
    layer = subtract(differences, pair, qtbot)
    assert tuple(layer.contrast_limits) == pytest.approx((-0.3, 0.3))
    layer.contrast_limits = (-0.1, 0.5)
    assert tuple(layer.contrast_limits) == pytest.approx((-0.3, 0.3))
    layer.contrast_limits = (-0.1, 0.3)
    assert tuple(layer.contrast_limits) == pytest.approx((-0.2, 0.2))
    differences.set_range(0.8)
    assert tuple(layer.contrast_limits) == pytest.approx((-0.8, 0.8))


def test_a_second_difference_has_the_same_range(differences, pair, qtbot):
    differences.set_range(0.6)
    layer = subtract(differences, pair[::-1], qtbot)
    assert tuple(layer.contrast_limits) == pytest.approx((-0.6, 0.6))


def test_what_cannot_be_subtracted_is_said(differences, pair, viewer, qtbot, caplog):
    far = viewer.add_image(
        np.zeros((3, 4, 5)), name="far", translate=(900, 0, 0), units="mm"
    )
    with qtbot.waitSignal(differences.said) as said:
        differences.start(pair[0], far)
    assert "same field of view" in said.args[0]
    assert not differences.is_busy


@pytest.fixture
def link():
    link = WindowLink()
    yield link
    link.unlink()


def test_linked_windows_change_by_the_same_share(link, pair):
    link.link(pair)
    pair[0].contrast_limits = (50, 450)  # half as wide
    assert tuple(pair[1].contrast_limits) == pytest.approx((100, 250))
    pair[1].contrast_limits = (200, 500)  # as wide as it was, a third further
    assert tuple(pair[0].contrast_limits) == pytest.approx(
        (50 + 800 / 3, 850 + 800 / 3)
    )
    pair[1].gamma = 0.5
    assert pair[0].gamma == 0.5


def test_unlinked_windows_are_free(link, pair):
    link.link(pair)
    link.unlink()
    pair[0].contrast_limits = (50, 450)
    assert tuple(pair[1].contrast_limits) == (100, 400)
    assert link.layers == ()


def test_linking_changes_nothing_by_itself(link, pair):
    before = [tuple(layer.contrast_limits) for layer in pair]
    link.link(pair)
    assert [tuple(layer.contrast_limits) for layer in pair] == before
