"""Windows in which two images are equally bright."""

import numpy as np
import pytest

from napari_medsynth.widgets._match import WindowMatch, matched_limits


def test_a_linear_scale_is_undone(rng):
    one = np.where(rng.random((8, 30, 30)) < 0.5, 0, rng.normal(500, 80, (8, 30, 30)))
    one = one.astype(np.float32)
    limits = matched_limits(one, 0.02 * one + 3, (100.0, 900.0))
    assert limits == pytest.approx((0.02 * 100 + 3, 0.02 * 900 + 3), rel=1e-4)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_nothing_in_common_matches_nothing(fill, rng):
    one = rng.normal(500, 80, (8, 30, 30)).astype(np.float32)
    assert matched_limits(one, np.full_like(one, fill), (0.0, 1.0)) is None


def test_two_layers_are_matched_in_a_thread(viewer, add, qtbot):
    first, _ = add(viewer, "T1", "T2")
    second = viewer.add_image(
        2 * first.data + 10,
        name="T1 made",
        contrast_limits=(0, 1),
        scale=first.scale,
        translate=first.translate,
        units=first.units,
    )
    match = WindowMatch()
    with qtbot.waitSignal(match.matched) as matched:
        match.start(first, second)
    layer, limits = matched.args
    assert layer is second
    assert limits == pytest.approx((10, 1810), rel=1e-3)


def test_no_foreground_is_said(viewer, add, qtbot):
    (first,) = add(viewer, "T1")
    empty = viewer.add_image(
        np.zeros_like(first.data),
        name="empty",
        contrast_limits=(0, 1),
        scale=first.scale,
        translate=first.translate,
        units=first.units,
    )
    match = WindowMatch()
    with qtbot.waitSignal(match.said) as said:
        match.start(first, empty)
    assert "too little" in said.args[0]
