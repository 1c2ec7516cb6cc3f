import io

import numpy as np
import pytest
from PIL import Image

from napari_medsynth.errors import VolumeError
from napari_medsynth.evaluate import Region, declare, report_pictures
from napari_medsynth.evaluate.gallery import telling_slice
from napari_medsynth.evaluate.pictures import Picture, comparison_picture
from napari_medsynth.io import Volume

TOP, GAP = 24, 8  # of the first cell
LIMITS = {"made": (0.0, 1.0), "real": (0.0, 1.0)}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def cell(picture: np.ndarray, number: int, size: tuple[int, int]) -> np.ndarray:
    """Cut the slice of a cell, (height, width) `size`."""
    height, width = size
    left = GAP + number * (width + GAP)
    return picture[TOP : TOP + height, left : left + width]


@pytest.fixture
def pair():
    """Two volumes of 320 pixels, so that nothing is enlarged; real is darker left."""
    real = np.full((1, 2, 320, 320), 0.5, np.float32)
    made = real.copy()
    made[:, 1, :160] += 0.3  # too bright in front
    made[:, 1, 160:] -= 0.15  # too dark behind
    return (
        Volume(made, name="made", metadata={"synthetic": True}),
        Volume(real, name="real"),
    )


def test_grey_is_what_the_limits_say(pair):
    made, real = pair
    png = comparison_picture({"made": made, "real": real}, 1, "axial", LIMITS)
    size = (320, 320)

    assert pixels(png).shape == (TOP + 320 + GAP, 2 * 328 + GAP, 3)
    np.testing.assert_allclose(cell(pixels(png), 0, size)[:150], 0.8 * 255, atol=1)
    np.testing.assert_allclose(cell(pixels(png), 0, size)[170:], 0.35 * 255, atol=1)
    np.testing.assert_allclose(cell(pixels(png), 1, size), 0.5 * 255, atol=1)


def test_difference_is_red_where_too_bright_and_blue_where_too_dark(pair):
    made, real = pair
    volumes = {"made": made, "real": real}
    png = comparison_picture(volumes, 1, "axial", LIMITS, difference=("made", "real"))
    signed = cell(pixels(png), 2, (320, 320))

    np.testing.assert_allclose(signed[100, 100], (255, 90, 60), atol=1)  # all of it
    np.testing.assert_allclose(signed[300, 100], (30, 70, 127.5), atol=1)  # half
    equal = comparison_picture(volumes, 0, "axial", LIMITS, difference=("made", "real"))
    assert (cell(pixels(equal), 2, (320, 320)) == 0).all()


def test_the_synthetic_one_is_marked(pair):
    made, real = pair
    caption = slice(0, TOP)
    drawn = pixels(comparison_picture({"a": made, "b": made}, 0))[caption]
    plain = pixels(comparison_picture({"a": real, "b": real}, 0))[caption]

    def orange(strip):
        return ((strip[..., 0] > 200) & (strip[..., 2] < 120)).sum()

    assert orange(plain) == 0
    assert orange(drawn) > 100


def test_slices_are_upright_and_their_millimetres_square():
    data = np.zeros((1, 10, 40, 30), np.float32)
    data[0, 9] = 1.0  # the top of the head
    tall = Volume(data, spacing=(4.0, 1.0, 1.0))
    png = comparison_picture({"real": tall}, 20, "coronal", {"real": (0.0, 1.0)})
    head = cell(pixels(png), 0, (320, 240))  # 40 mm x 30 mm, enlarged 8 times

    assert (head[:10] == 255).all()
    assert (head[-200:] == 0).all()


def test_long_captions_stay_in_their_cell(pair):
    made, real = pair
    png = comparison_picture({"x" * 200: made, "real": real}, 0)
    same = comparison_picture({"x": made, "real": real}, 0)

    right = GAP + 320 + GAP  # where the second cell begins
    np.testing.assert_array_equal(pixels(png)[:TOP, right:], pixels(same)[:TOP, right:])


def test_what_cannot_be_drawn_is_refused(pair):
    made, real = pair
    shown = {"made": made, "real": real}
    with pytest.raises(VolumeError, match="numbered 0 to 1"):
        comparison_picture(shown, 2)
    with pytest.raises(VolumeError, match="axial, coronal"):
        comparison_picture(shown, 0, "oblique")
    with pytest.raises(VolumeError, match="two volumes shown, got truth"):
        comparison_picture(shown, 0, difference=("made", "truth"))
    with pytest.raises(VolumeError, match="one grid"):
        comparison_picture(
            shown | {"other": real.with_data(real.data, spacing=(2, 1, 1))}, 0
        )
    with pytest.raises(VolumeError, match="got none"):
        comparison_picture({}, 0)


def test_arrays_become_png():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)

    np.testing.assert_array_equal(pixels(Picture("four", image).png), image)
    assert Picture("given", b"png").png == b"png"


def test_the_telling_slice_holds_most_of_the_region():
    mask = np.zeros((5, 6, 7), bool)
    mask[3, :2, 1] = True
    mask[1, 4, 5] = True

    assert telling_slice(Region("lesion", mask)) == 3
    assert telling_slice(Region("lesion", mask), "sagittal") == 1
    assert telling_slice(Region("none", mask & False)) == 2


def test_a_report_has_one_row_of_four_cells_per_synthesis(truth, synthetic):
    region = Region("box", truth.data[0] > 400)
    moved = synthetic.with_data(synthetic.data, origin=(-10.0, 5.5, 7.0))
    found = report_pictures(
        {"a": synthetic, "b": moved},
        truth,
        [region],
        declare(truth, "window", (0.0, 900.0)),
        sources={"T1": truth},
    )
    height = round(320 / 40) * 40
    width = round(36 * 1.2 * 8)
    index = telling_slice(region)
    shown = cell(pixels(found[0].png), 2, (height, width))
    expected = 255 * np.clip(truth.data[0, index] / 900, 0, 1)

    assert len(found) == 2
    assert pixels(found[0].png).shape[1] == 4 * (width + GAP) + GAP + 14 + GAP
    assert f"axial slice {index}" in found[0].caption
    assert "a (synthetic)" in found[0].caption
    np.testing.assert_allclose(shown.mean(axis=-1).mean(), expected.mean(), rtol=0.02)
