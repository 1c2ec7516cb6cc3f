"""From open layers to numbers, curves and files, without a widget."""

import csv

import numpy as np
import pytest

from napari_medsynth.io import Volume
from napari_medsynth.io.geometry import layer_tuple
from napari_medsynth.widgets._measure import (
    Scaling,
    compare,
    labels_of,
    profiles,
    syntheses_of,
    task_of,
    truths_of,
)
from napari_medsynth.widgets._report import save_csv, save_report
from napari_medsynth.widgets._slice_link import SliceLink, plane_of
from napari_medsynth.widgets._torch import no_collection


def exhaust(steps):
    """Run a generator; give what it yielded and returned."""
    yielded = []
    while True:
        try:
            yielded.append(next(steps))
        except StopIteration as stop:
            return yielded, stop.value


@pytest.fixture
def image(rng):
    """A real FLAIR of 14 x 16 x 18 voxels, values 0 to 100."""
    data = rng.uniform(0, 100, (1, 14, 16, 18)).astype(np.float32)
    return Volume(
        data,
        spacing=(2.0, 1.0, 1.5),
        origin=(-5.0, 3.0, 4.0),
        modality="FLAIR",
        name="FLAIR",
    )


def add(viewer, volume, **options):
    data, arguments, _ = layer_tuple(volume, contrast_limits=(0, 100), **options)
    return viewer.add_image(data, **arguments)


def made_from(volume, change, title="Model M"):
    facts = {"synthetic": True, "provenance": {"model": "m", "model_title": title}}
    return volume.with_data(volume.data + change, metadata=facts)


@pytest.fixture
def scene(viewer, image):
    """Truth, two syntheses that are wrong by 5 and 10, a source and labels."""
    truth = add(viewer, image)
    add(viewer, made_from(image, 5), name="a")
    add(viewer, made_from(image, 10), name="b")
    add(viewer, image.with_data(image.data, modality="T1"), name="T1")
    labels = np.zeros(image.shape, np.uint8)
    labels[4:6, 3:9, 3:9], labels[8] = 1, 2
    viewer.add_labels(
        labels,
        name="lesion",
        scale=truth.scale,
        translate=truth.translate,
        units=truth.units,
    )
    return viewer


def task(viewer, scaling=Scaling("as is")):  # noqa: B008
    return task_of(viewer.layers, viewer.layers["FLAIR"], scaling)


def test_truths_come_first_and_need_a_synthesis(viewer, image):
    t1 = add(viewer, image.with_data(image.data, modality="T1"), name="T1")
    flair = add(viewer, image)
    assert truths_of(viewer.layers) == []
    add(viewer, made_from(image, 1), name="made")
    assert [s.layer for s in truths_of(viewer.layers)] == [flair, t1]


def test_syntheses_of_the_contrast_are_meant_else_all(viewer, image):
    flair = add(viewer, image)
    t1 = add(viewer, image.with_data(image.data, modality="T1"), name="T1")
    add(viewer, made_from(image, 1), name="flair made")
    add(viewer, made_from(image.with_data(image.data, modality="T2"), 1), name="t2")
    names = [s.layer.name for s in syntheses_of(viewer.layers, flair)]
    assert names == ["flair made"]
    names = [s.layer.name for s in syntheses_of(viewer.layers, t1)]
    assert names == ["flair made", "t2"]


def test_labels_with_a_role_are_no_region(viewer):
    data = np.zeros((2, 3, 4), int)
    viewer.add_labels(data, metadata={"medsynth": {"role": "trust"}})
    drawn = viewer.add_labels(data)
    assert labels_of(viewer.layers) == [drawn]


def test_numbers_are_right_in_every_region(scene):
    yielded, comparison = exhaust(compare(task(scene)))

    assert list(comparison.made) == ["a", "b"]
    assert list(comparison.sources) == ["T1"]
    names = [r.name for r in comparison.regions]
    assert names == ["whole image", "foreground", "lesion 1", "lesion 2"]
    assert yielded[0] == (0, 0)
    n_slices = comparison.truth.shape[0]
    done = [(i + 1, 2 * n_slices) for i in range(2 * n_slices)]
    assert yielded[1:] == done
    rows = {(row.model, row.region): row for row in comparison.rows}
    for model, error in (("a", 5.0), ("b", 10.0)):
        for region in names:
            values = rows[model, region].values
            assert values["mae"] == pytest.approx(error, rel=1e-4)
            assert values["rmse"] == pytest.approx(error, rel=1e-4)
            span = np.ptp(comparison.truth.data)
            expected = 20 * np.log10(span / error)
            assert values["psnr"] == pytest.approx(expected, rel=1e-4)
    assert rows["a", "lesion 1"].n_voxels == 72
    assert rows["a", "lesion 2"].n_voxels == 16 * 18
    assert "121 voxels" in " ".join(comparison.remarks)


@pytest.mark.parametrize(("plane", "axis"), [("axial", 0), ("coronal", 1)])
def test_only_slices_that_were_made_are_compared(viewer, image, tmp_path, plane, axis):
    made = made_from(image, 5)
    blank = np.moveaxis(made.data[0], axis, 0)
    blank[:3] = blank[8:] = 0
    span = {"first": 3, "last": 7, "number": 5}
    made.metadata["provenance"].update(plane=plane, slices=span)
    add(viewer, image)
    add(viewer, made, name="part")

    _, comparison = exhaust(compare(task(viewer)))
    _, curves = exhaust(profiles(comparison, "whole image", "mae", plane))

    whole = comparison.rows[0]
    assert whole.values["mae"] == pytest.approx(5, rel=1e-4)
    assert whole.n_voxels == 5 * 14 * 16 * 18 / image.shape[axis]
    remark = f"part: only {plane} slices 3 to 7 were made and are compared."
    assert remark in comparison.remarks
    _, page = exhaust(save_report(comparison, tmp_path / "r.html", plane, None))
    assert remark in page.read_text(encoding="utf-8")
    assert np.flatnonzero(np.isfinite(curves["part"])).tolist() == [3, 4, 5, 6, 7]


def test_the_window_is_that_of_the_scaling(scene):
    _, comparison = exhaust(compare(task(scene, Scaling("window", (20.0, 60.0)))))
    assert comparison.declaration.data_range == 40
    truth = np.clip(comparison.truth.data, 20, 60)
    made = np.clip(comparison.truth.data + 5, 20, 60)
    whole = next(row for row in comparison.rows if row.model == "a")
    assert whole.values["mae"] == pytest.approx(np.abs(made - truth).mean(), rel=1e-4)


def test_labels_of_another_grid_fall_where_they_lie(viewer, image):
    """Labels of half the resolution, drawn over an oblique scan."""
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    oblique = Volume(
        image.data, image.spacing, image.origin, turn, modality="FLAIR", name="FLAIR"
    )
    truth = add(viewer, oblique)
    add(viewer, made_from(oblique, 1), name="a")
    coarse = np.zeros((7, 8, 9), np.uint8)
    coarse[2, 3, 4] = 1
    viewer.add_labels(
        coarse,
        name="l",
        scale=2 * truth.scale,
        translate=truth.translate + truth.scale / 2,
        units=truth.units,
    )
    _, comparison = exhaust(compare(task(viewer)))
    inside = np.argwhere(comparison.regions[-1].mask)
    assert len(inside) == 8
    np.testing.assert_array_equal(inside.min(0), (4, 6, 8))
    np.testing.assert_array_equal(inside.max(0), (5, 7, 9))


def test_curves_measure_slice_by_slice(scene, rng):
    scene.layers["a"].data = scene.layers["a"].data.copy()
    scene.layers["a"].data[9] += 3
    _, comparison = exhaust(compare(task(scene)))
    _, curves = exhaust(profiles(comparison, "whole image", "mae", "axial"))
    expected = np.full(14, 5.0)
    expected[9] = 8
    np.testing.assert_allclose(curves["a"], expected, rtol=1e-4)
    np.testing.assert_allclose(curves["b"], 10, rtol=1e-4)
    _, curves = exhaust(profiles(comparison, "lesion 1", "mae", "sagittal"))
    assert np.isfinite(curves["a"]).nonzero()[0].tolist() == list(range(3, 9))


def test_files_hold_the_numbers(scene, tmp_path):
    _, comparison = exhaust(compare(task(scene)))
    _, path = exhaust(save_csv(comparison, tmp_path / "n.csv"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert float(rows[4]["mae"]) == pytest.approx(10, rel=1e-4)
    assert rows[0]["scaling"] == "as is"

    arguments = (tmp_path / "r.html", "coronal", 3)
    _, path = exhaust(save_report(comparison, *arguments))
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/png") == 2
    assert "coronal slice 3" in page
    assert "Model M" in page
    assert "lesion 2" in page
    assert "<script" not in page
    _, path = exhaust(save_report(comparison, tmp_path / "r.html", "axial", None))
    assert "axial slice 8" in path.read_text(encoding="utf-8")  # most of lesion 2


def test_slices_are_numbered_as_the_voxels(viewer, image):
    layer = add(viewer, image)
    link = SliceLink(viewer, layer)
    for order, plane, axis in (
        ((0, 1, 2), "axial", 0),
        ((1, 0, 2), "coronal", 1),
        ((2, 0, 1), "sagittal", 2),
    ):
        viewer.dims.order = order
        assert link.plane == plane_of(viewer) == plane
        for index in (0, 7, 13):
            link.show(index)
            assert viewer.dims.current_step[axis] == index
            assert link.index == index


def test_a_layer_that_is_flipped_is_numbered_as_its_volume(viewer):
    layer = viewer.add_image(np.zeros((5, 6, 7)), scale=(-2, 1, 1))
    link = SliceLink(viewer, layer)
    link.show(0)
    assert viewer.dims.point[0] == -8
    assert link.index == 0


def test_no_garbage_is_collected_meanwhile():
    import gc

    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()
