"""The picture of a map, pixel by pixel."""

import io

import numpy as np
import pytest
from PIL import Image
from torch import nn

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.explain import overlay_picture, record_slice
from napari_medsynth.explain.overlay import on_pixels
from napari_medsynth.explain.query import query_at


@pytest.fixture
def record(prepared, network):
    return record_slice(prepared, network, 2)


def cells_of(png, size=(384, 512)):
    """The anatomy and the map, as arrays."""
    sheet = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    height, width = size
    left = slice(8, 8 + width), slice(16 + width, 16 + 2 * width)
    return [sheet[8 : 8 + height, columns] for columns in left], sheet


def test_tokens_become_squares_of_pixels(record):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(
        on_pixels(record, values), np.kron(values, np.ones((8, 8)))
    )
    pixels = np.ones((24, 32), np.float32)
    assert on_pixels(record, pixels) is pixels


def test_the_lowest_value_is_transparent_and_the_highest_bright(record):
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = 5
    (anatomy, marked), _ = cells_of(overlay_picture(record, values, ()))
    grey = (record.inputs[0, 0].numpy() + 1) * 127.5  # 16 pixels for one of 24 x 32
    np.testing.assert_allclose(anatomy[::16, ::16, 0], grey, atol=0.51)
    inside = np.zeros((24, 32), bool)
    inside[8:16, 16:24] = True
    small = marked[::16, ::16]
    np.testing.assert_array_equal(small[~inside], anatomy[::16, ::16][~inside])
    expected = 0.25 * grey[inside, None] + 0.75 * np.array([255, 255, 220])
    np.testing.assert_allclose(small[inside], expected, atol=0.51)


def test_signed_maps_are_blue_and_red_and_failed_ones_grey(record):
    values = np.zeros((24, 32), np.float32)
    values[0, 0], values[0, 1] = -2, 2
    (_, marked), _ = cells_of(overlay_picture(record, values, (), is_signed=True))
    assert marked[0, 0, 2] > marked[0, 0, 0]
    assert marked[0, 16, 0] > marked[0, 16, 2]
    options = {"is_signed": True, "is_grey": True}
    (_, failed), _ = cells_of(overlay_picture(record, values, (), **options))
    assert np.ptp(failed, axis=2).max() == 0


def test_the_place_is_framed(record):
    query = query_at(record.prepared, 10, 12, 1)
    values = np.ones((3, 4), np.float32)
    (_, marked), _ = cells_of(overlay_picture(record, values, (), query=query))
    framed = (marked[::16, ::16] == (0, 229, 255)).all(axis=2)
    expected = np.zeros((24, 32), bool)
    expected[8:13, 10:15] = True
    expected[9:12, 11:14] = False
    np.testing.assert_array_equal(framed, expected)


def test_superior_is_above(pair, card):
    prepared = prepare_study(pair, card, plane="coronal")
    network = SliceNetwork(card, model=nn.Conv2d(2, 1, 1))
    record = record_slice(prepared, network, 3)
    # slices are 3 mm apart: 5 x 32 pixels become 15 x 32, 26-fold
    values = np.zeros((5, 32), np.float32)
    values[4] = 1  # the top slice
    (_, marked), _ = cells_of(overlay_picture(record, values, ()), (390, 832))
    bright = marked[..., 0].mean(axis=1)
    assert bright[:78].mean() > 1.2 * bright[78:].mean()


def test_lines_are_written_below(record):
    values = np.ones((3, 4), np.float32)
    plain = cells_of(overlay_picture(record, values, ()))[1]
    told = cells_of(overlay_picture(record, values, ("one", "two")))[1]
    assert told.shape[0] == plain.shape[0] + 36
    assert told[plain.shape[0] :].max() > 150
