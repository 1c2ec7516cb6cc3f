"""Two images in one picture, against the same made voxel by voxel."""

import numpy as np
import pytest

from napari_medsynth.widgets._composite import (
    Checkerboard,
    Composite,
    Curtain,
    Whole,
    Window,
)

SHAPE = (4, 7, 9)


@pytest.fixture
def images(rng):
    return tuple(rng.uniform(-50, 150, SHAPE).astype(np.float32) for _ in range(2))


@pytest.fixture
def windows(rng):
    colours = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    return Window(0, 100), Window(-20, 80, 2.0, colours)


def long_way(images, windows, is_first):
    """Every voxel on its own."""
    picture = np.empty((*SHAPE, 3), np.uint8)
    for place in np.ndindex(SHAPE):
        image, window = (
            (images[0], windows[0]) if is_first(*place) else (images[1], windows[1])
        )
        share = (image[place] - window.low) / (window.high - window.low)
        share = min(max(float(share), 0.0), 1.0) ** window.gamma
        picture[place] = window.colours[round(255 * share)]
    return picture


def agrees(a, b):
    return np.abs(a.astype(int) - b.astype(int)).max() == 0


@pytest.mark.parametrize("place", [np.s_[2], np.s_[:, 3], np.s_[:, :, 5], np.s_[1:3]])
def test_a_slice_of_each_image_is_shown_in_its_own_window(images, windows, place):
    for is_second in (False, True):
        composite = Composite(*images, windows, Whole(is_second))
        expected = long_way(images, windows, lambda z, y, x, s=is_second: not s)
        assert agrees(composite[place], expected[place])


@pytest.mark.parametrize("position", [4.0, 4.6])
def test_the_curtain_divides_the_voxels_and_marks_the_last(images, windows, position):
    composite = Composite(*images, windows, Curtain(2, position))
    expected = long_way(images, windows, lambda z, y, x: x <= 4)
    picture = composite[1]
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    assert agrees(picture[:, others], expected[1][:, others])
    mixed = expected[1][:, 4] // 2 + np.array([255, 176, 0]) // 2
    assert agrees(picture[:, 4], mixed)


def test_another_plane_of_the_curtain_is_whole(images, windows):
    composite = Composite(*images, windows, Curtain(2, 4.6))
    expected = long_way(images, windows, lambda z, y, x: x <= 4.6)
    for x in (3, 4, 5):
        assert agrees(composite[:, :, x], expected[:, :, x])


def test_a_curtain_at_the_edge_shows_one_image(images, windows):
    composite = Composite(*images, windows, Curtain(1, -1.0))
    assert agrees(composite[0], Composite(*images, windows, Whole(True))[0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_squares_alternate_in_the_plane_that_is_shown(images, windows, axis):
    size = (2.0, 3.0, 2.5)
    composite = Composite(*images, windows, Checkerboard(size))
    rows, columns = (a for a in range(3) if a != axis)

    def is_first(*place):
        return (place[rows] // size[rows] + place[columns] // size[columns]) % 2 == 0

    expected = long_way(images, windows, is_first)
    index = 2
    place = tuple(index if a == axis else slice(None) for a in range(3))
    assert agrees(composite[place], expected[place])


def test_it_is_an_array_as_napari_and_numpy_know_it(images, windows):
    composite = Composite(*images, windows, Whole())
    assert composite.shape == (*SHAPE, 3)
    assert composite.dtype == np.uint8
    assert len(composite) == SHAPE[0]
    whole = np.asarray(composite)
    assert whole.shape == composite.shape
    assert agrees(whole[2, 3], composite[2, 3])
    assert agrees(composite[1:3, :, ::2, 0], whole[1:3, :, ::2, 0])
    assert np.asarray(composite, dtype=float).dtype == float


def test_what_is_no_number_is_as_dark_as_the_lower_limit(windows):
    image = np.full(SHAPE, np.nan, np.float32)
    composite = Composite(image, image, windows, Whole())
    assert agrees(composite[0], np.zeros((*SHAPE[1:], 3), np.uint8))


def test_shares_go_beyond_the_window():
    window = Window(10, 30)
    values = np.array([0, 10, 20, 40], np.float32)
    np.testing.assert_allclose(window.share(values), [-0.5, 0, 0.5, 1.5])
