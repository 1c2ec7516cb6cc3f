"""DICOM series: order, gaps, copies, tilt, frames, lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import read_volume, read_volumes

pydicom = pytest.importorskip("pydicom")

AXIAL = [1, 0, 0, 0, 1, 0]
MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def picture(k, shape=(24, 20)):
    """Different in every slice and every corner, at least 0."""
    rows, columns = np.indices(shape)
    return (100 * k + 7 * rows + 3 * columns + (rows * columns) % 5).astype(np.uint16)


def dataset(k=0, *, pixels=None, **tags):
    """One MR slice at height 3 k [mm], saveable."""
    pixels = picture(k) if pixels is None else pixels
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    defaults = {
        "SOPClassUID": MR,
        "SOPInstanceUID": pydicom.uid.generate_uid(),
        "SeriesInstanceUID": "1.2.3.4",
        "Modality": "MR",
        "EchoTime": 90,
        "RepetitionTime": 4000,
        "InstanceNumber": k + 1,
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "PixelSpacing": [1.5, 1.25],
        "ImageOrientationPatient": AXIAL,
        "ImagePositionPatient": [-10, -20, 3 * k],
        "SliceThickness": 3,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }
    for key, value in {**defaults, **tags}.items():
        if value is not None:
            setattr(header, key, value)
    header.PixelData = pixels.tobytes()
    header["PixelData"].VR = "OW"
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    return header


def save(folder: Path, slices, names=None):
    folder.mkdir(parents=True, exist_ok=True)
    names = names or [f"{i:03d}.dcm" for i in range(len(slices))]
    for name, header in zip(names, slices, strict=True):
        header.save_as(folder / name, enforce_file_format=True)
    return folder


def series(**tags):
    return [dataset(k, **tags) for k in range(6)]


def words_of(volume):
    return " ".join(volume.warnings)


def test_slices_are_ordered_by_position_not_by_name(tmp_path):
    names = ["z", "b.dcm", "q", "a.dcm", "m", "c.dcm"]
    volume = read_volume(save(tmp_path / "s", series(), names))

    assert volume.spacing == (3, 1.5, 1.25)
    assert volume.origin == (0, -20, -10)
    assert volume.orientation == "LPS"
    assert volume.modality == "T2"
    assert volume.warnings == []
    assert np.array_equal(volume.data[0], np.stack([picture(k) for k in range(6)]))


def test_any_file_stands_for_its_series(tmp_path):
    folder = save(tmp_path / "s", series())
    save(folder, [dataset(0, SeriesInstanceUID="9.9")], ["other.dcm"])

    assert read_volume(folder / "003.dcm").shape == (6, 24, 20)


def test_each_series_of_a_folder_is_named_from_its_description(tmp_path):
    folder = save(tmp_path / "a", series(SeriesDescription="Ax T1"))
    second = series(SeriesInstanceUID="5.6", SeriesDescription="Ax FLAIR")
    save(tmp_path / "a/deeper", second)
    (folder / "Thumbs.db").write_bytes(b"junk" * 100)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")

    volumes = read_volumes(folder)

    assert {v.name: v.modality for v in volumes} == {"Ax T1": "T1", "Ax FLAIR": "FLAIR"}


def test_broken_series_does_not_hide_the_good_one(tmp_path):
    folder = save(tmp_path / "a", series(SeriesDescription="Ax T1"))
    odd = [dataset(0, SeriesInstanceUID="7", pixels=picture(0, (8, 8)))]
    odd += [dataset(1, SeriesInstanceUID="7")]
    save(folder, odd, ["x1", "x2"])

    volume = read_volume(folder)

    assert volume.name == "Ax T1"
    assert "different sizes" in words_of(volume)


def test_missing_slice_is_interpolated_and_said(tmp_path):
    slices = series()
    del slices[2]
    volume = read_volume(save(tmp_path / "s", slices))

    assert volume.shape == (6, 24, 20)
    assert volume.spacing[0] == 3
    assert np.allclose(volume.data[0, 2], (picture(1) + picture(3)) / 2)
    assert np.array_equal(volume.data[0, 5], picture(5))
    assert "lacks 1 slice" in words_of(volume)


def test_series_of_which_most_is_missing_is_refused(tmp_path):
    slices = [dataset(k) for k in (0, 1, 2, 30)]

    with pytest.raises(VolumeError, match="4 of 31 slices"):
        read_volumes(save(tmp_path / "s", slices))


def test_uneven_slices_are_interpolated_to_even_ones(tmp_path):
    heights = [0, 3, 6.8, 9, 12.4, 15]
    slices = [
        dataset(pixels=np.full((24, 20), round(10 * h), np.uint16) + picture(0),
                ImagePositionPatient=[0, 0, h])
        for h in heights
    ]  # fmt: skip
    volume = read_volume(save(tmp_path / "s", slices))

    assert "uneven" in words_of(volume)
    level = volume.data[0, :, 0, 0]
    assert np.allclose(level, 10 * volume.spacing[0] * np.arange(len(level)), atol=0.1)


def test_copies_are_left_out(tmp_path):
    slices = series()
    volume = read_volume(save(tmp_path / "s", [*slices, dataset(2), slices[3]]))

    assert volume.shape == (6, 24, 20)
    assert "copies" in words_of(volume)


def test_two_slices_at_one_place_are_refused(tmp_path):
    with pytest.raises(VolumeError, match="same place"):
        read_volumes(save(tmp_path / "s", [*series(), dataset(2, pixels=picture(9))]))


def test_two_echoes_become_two_volumes(tmp_path):
    second = [dataset(k, EchoTime=20, pixels=picture(k + 50)) for k in range(6)]
    volumes = read_volumes(save(tmp_path / "s", [*series(), *second]))

    assert [v.shape for v in volumes] == [(6, 24, 20)] * 2
    assert "2 images of each place" in words_of(volumes[0])
    assert {float(v.data[0, 0, 0, 0]) for v in volumes} == {0, 5000}


def test_mixed_orientations_become_volumes_of_their_own(tmp_path):
    sagittal = [
        dataset(k, ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
                ImagePositionPatient=[3 * k, 0, 0])
        for k in range(4)
    ]  # fmt: skip
    volumes = read_volumes(save(tmp_path / "s", [*series(), *sagittal]))

    assert sorted(v.orientation for v in volumes) == ["LPS", "PIR"]
    assert "mixes 2 slice orientations" in words_of(volumes[0])


def test_tilted_gantry_is_straightened(tmp_path):
    plain = np.zeros((24, 20), np.uint16)
    plain[10:14, 8:12] = 1000
    slices = [
        dataset(pixels=plain + k, ImagePositionPatient=[0, 1.5 * k, 3 * k])
        for k in range(6)
    ]
    volume = read_volume(save(tmp_path / "s", slices))

    assert "sheared by 26.6 degrees" in words_of(volume)
    for k, plane in enumerate(volume.data[0]):
        top = np.flatnonzero(plane.max(axis=1) > 900)[0]
        assert volume.origin[1] + 1.5 * top == pytest.approx(15 + 1.5 * k)


def test_slices_off_the_line_are_refused(tmp_path):
    slices = series()
    slices[3].ImagePositionPatient = [60, -20, 9]

    with pytest.raises(VolumeError, match="not stacked along one line"):
        read_volumes(save(tmp_path / "s", slices))


def test_absent_positions_and_spacings_are_said(tmp_path):
    slices = series(
        ImagePositionPatient=None, PixelSpacing=None, ImageOrientationPatient=None
    )
    volume = read_volume(save(tmp_path / "s", slices[::-1]))

    assert volume.spacing == (3, 1, 1)
    assert np.array_equal(volume.data[0, 5], picture(5))
    for words in ("no slice positions", "no pixel spacing", "no orientation"):
        assert words in words_of(volume)


def test_rescale_of_each_slice_is_applied(tmp_path):
    slices = [dataset(k, RescaleSlope=1 + k, RescaleIntercept=-k) for k in range(3)]
    fractions = [dataset(k, RescaleSlope=0.5, RescaleIntercept=0.25) for k in range(3)]

    whole = read_volume(save(tmp_path / "s", slices))
    parts = read_volume(save(tmp_path / "t", fractions))

    assert np.array_equal(whole.data[0, 2], picture(2) * 3.0 - 2)
    assert np.allclose(parts.data[0, 2], picture(2) * 0.5 + 0.25)


def test_monochrome1_is_turned_over(tmp_path):
    path = tmp_path / "s"
    tags = {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1"}
    tags |= {"EchoTime": None, "RepetitionTime": None}
    volume = read_volume(save(path, [dataset(0, **tags)]))

    assert volume.modality == "CXR"
    assert np.array_equal(volume.data[0, 0], picture(0).max() - picture(0))
    assert "MONOCHROME1" in words_of(volume)


def test_lying_modality_tag_is_not_believed(tmp_path):
    mr_as_ct = read_volume(save(tmp_path / "a", series(Modality="CT")))
    no_units = series(
        Modality="CT", EchoTime=None, RepetitionTime=None, SOPClassUID="1.2"
    )
    unitless = read_volume(save(tmp_path / "T1_head", no_units))

    assert mr_as_ct.modality == "T2"
    assert "attributes of an MR" in words_of(mr_as_ct)
    assert unitless.modality == "T1"
    assert "not Hounsfield units" in words_of(unitless)


def test_cut_off_pixels_are_refused(tmp_path):
    slices = series()
    slices[1].PixelData = slices[1].PixelData[:300]

    with pytest.raises(VolumeError, match=r"001\.dcm is cut off"):
        read_volumes(save(tmp_path / "s", slices))


def test_file_without_preamble_opens(tmp_path):
    folder = save(tmp_path / "s", series())
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        path.unlink()
        with path.with_suffix("").open("wb") as file:
            pydicom.filewriter.write_dataset(_implicit_writer(file), header)

    assert read_volume(folder).shape == (6, 24, 20)


def _implicit_writer(file):
    writer = pydicom.filebase.DicomFileLike(file)
    writer.is_little_endian, writer.is_implicit_VR = True, True
    return writer


@pytest.mark.parametrize(
    ("tags", "words"),
    [({"Modality": "SEG"}, "segmentation"), ({"Rows": None}, "without an image")],
)
def test_what_is_no_image_is_refused(tmp_path, tags, words):
    folder = save(tmp_path / "s", [dataset(0, **tags)])

    with pytest.raises(VolumeError, match=words):
        read_volumes(folder / "000.dcm")


def test_text_that_calls_itself_dicom_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense" * 50)

    with pytest.raises(VolumeError, match=r"a\.dcm"):
        read_volumes(tmp_path / "a.dcm")


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_never_give_a_foreign_error(tmp_path, seed):
    folder = save(tmp_path / "s", [dataset(0)])
    path = folder / "000.dcm"
    content = bytearray(path.read_bytes())
    dice = np.random.default_rng(seed)
    for i in dice.integers(132, 700, 6):
        content[i] = dice.integers(256)
    path.write_bytes(content)

    try:
        assert read_volumes(path)
    except VolumeError as err:
        assert "000.dcm" in str(err)


def test_colour_capture_becomes_grey_with_a_warning(tmp_path):
    pixels = np.stack(
        [np.full((24, 20), v, np.uint16) + picture(0) for v in (9, 99, 0)]
    )
    header = dataset(0, SamplesPerPixel=3, PhotometricInterpretation="RGB")
    header.PixelData = np.ascontiguousarray(np.moveaxis(pixels, 0, -1)).tobytes()
    header.PlanarConfiguration = 0

    volume = read_volume(save(tmp_path / "s", [header]))

    assert volume.shape == (1, 24, 20)
    assert "colour" in words_of(volume)


def test_mosaic_is_said(tmp_path):
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]

    assert "mosaic" in words_of(
        read_volume(save(tmp_path / "s", [dataset(0, ImageType=kind)]))
    )


def test_synthetic_data_attribute_is_kept(tmp_path):
    slices = series()
    for header in slices:
        header.add_new(0x0008001C, "CS", "YES")

    assert read_volume(save(tmp_path / "s", slices)).is_synthetic


def _item(**tags):
    item = pydicom.Dataset()
    for key, value in tags.items():
        setattr(item, key, value)
    return item


def _frame(k, echo):
    return _item(
        PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, 4 * k])],
        FrameContentSequence=[_item(StackID="1", InStackPositionNumber=k + 1)],
        MREchoSequence=[_item(EffectiveEchoTime=echo)],
        PixelValueTransformationSequence=[
            _item(RescaleSlope=k + 1, RescaleIntercept=5, RescaleType="US")
        ],
    )


@pytest.mark.parametrize("echoes", [(80,), (20, 80)])
def test_enhanced_frames_have_their_own_place_scale_and_echo(tmp_path, echoes):
    order = [(k, echo) for k in (2, 0, 1, 3) for echo in echoes]
    pixels = np.stack([picture(k + echo) for k, echo in order])
    header = dataset(
        0, pixels=pixels, SOPClassUID=ENHANCED_MR, NumberOfFrames=len(order)
    )
    for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(header, key)
    header.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=AXIAL)],
            PixelMeasuresSequence=[_item(PixelSpacing=[2, 2], SliceThickness=4)],
        )
    ]
    header.PerFrameFunctionalGroupsSequence = [_frame(k, echo) for k, echo in order]

    volumes = read_volumes(save(tmp_path / "s", [header]) / "000.dcm")

    assert len(volumes) == len(echoes)
    for volume, echo in zip(volumes, echoes, strict=True):
        assert volume.spacing == (4, 2, 2)
        assert np.array_equal(volume.data[0, 3], picture(3 + echo) * 4.0 + 5)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(VolumeError, match="holds no DICOM"):
        read_volumes(tmp_path)
