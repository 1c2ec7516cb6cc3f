"""Pictures: grey out of colour, pages, rotation, damage."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, read_volumes

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def grey(rng):
    return rng.integers(0, 250, (40, 60)).astype(np.uint8)


def words_of(volume):
    return " ".join(volume.warnings)


def test_grey_picture_is_one_slice_with_rows_downwards(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "cxr_1.png")

    volume = read_volume(tmp_path / "cxr_1.png")

    assert volume.modality == "CXR"
    assert volume.spacing == (1, 1, 1)
    assert volume.warnings == []
    assert np.array_equal(volume.data[0, 0], grey)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_equal_channels_are_one_channel(tmp_path, grey, mode):
    Image.fromarray(grey).convert(mode).save(tmp_path / "a.png")

    volume = read_volume(tmp_path / "a.png")

    assert np.array_equal(volume.data[0, 0], grey)
    assert volume.warnings == []


def test_colour_transparency_and_one_bit_are_said(tmp_path, grey):
    colour = np.dstack([grey, 255 - grey, grey])
    clear = np.dstack([grey, grey, grey, np.full_like(grey, 100)])
    Image.fromarray(colour).save(tmp_path / "colour.png")
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(grey).convert("1").save(tmp_path / "bit.png")

    assert "colour" in words_of(read_volume(tmp_path / "colour.png"))
    assert "transparent" in words_of(read_volume(tmp_path / "clear.png"))
    assert "1-bit" in words_of(read_volume(tmp_path / "bit.png"))


def test_palette_gives_the_greys_it_stands_for(tmp_path, grey):
    picture = Image.fromarray(grey // 16)
    picture.putpalette([v for i in range(16) for v in (16 * i,) * 3])
    picture.save(tmp_path / "a.png")

    assert np.array_equal(read_volume(tmp_path / "a.png").data[0, 0], grey // 16 * 16)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_pixels_keep_their_values(tmp_path, grey, dtype):
    deep = grey.astype(dtype) * (200 if dtype == np.uint16 else 0.004)
    Image.fromarray(deep.astype(dtype)).save(tmp_path / "a.tif")

    volume = read_volume(tmp_path / "a.tif")

    assert np.allclose(volume.data[0, 0], deep)
    assert volume.metadata["dtype"] == np.dtype(dtype).name


def test_pages_are_slices(tmp_path, grey):
    pages = [Image.fromarray(grey // k) for k in (1, 2, 3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])

    volume = read_volume(tmp_path / "a.tif")

    assert volume.shape == (3, 40, 60)
    assert np.array_equal(volume.data[0, 2], grey // 3)
    assert "3 pages" in words_of(volume)


def test_pages_of_different_sizes_are_refused(tmp_path, grey):
    pages = [Image.fromarray(grey), Image.fromarray(grey[:20])]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])

    with pytest.raises(VolumeError, match="different sizes"):
        read_volumes(tmp_path / "a.tif")


def test_rotation_of_the_camera_is_undone(tmp_path, grey):
    smooth = np.sort(np.sort(grey, axis=0), axis=1)
    turned = Image.fromarray(np.rot90(smooth))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.jpg", exif=exif, quality=95)

    volume = read_volume(tmp_path / "a.jpg")

    assert volume.shape == (1, 40, 60)
    assert np.abs(volume.data[0, 0] - smooth).mean() < 4


def test_resolution_that_somebody_set_gives_the_spacing(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "a.png", dpi=(254, 127))

    assert read_volume(tmp_path / "a.png").spacing == pytest.approx((1, 0.2, 0.1), 1e-3)


def test_cut_off_and_foreign_files_are_refused(tmp_path, grey):
    path = tmp_path / "a.png"
    Image.fromarray(grey).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    (tmp_path / "b.png").write_text("no picture")

    with pytest.raises(VolumeError, match="cut off"):
        read_volumes(path)
    with pytest.raises(VolumeError, match="not a picture"):
        read_volumes(tmp_path / "b.png")
