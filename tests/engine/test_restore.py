import numpy as np
import pytest
import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine import interpolated, restore
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.errors import CardError, DeviceMemoryError, EngineError
from napari_medsynth.io import Volume

FULL_RANGE = {"*": {"kind": "percentile", "low": 0.0, "high": 100.0}}
X2 = ModelCard(
    id="x2",
    family="edsr",
    task="super-resolution",
    title="Fine",
    factory="tests:Copy",
    inputs=("low-resolution image",),
    outputs=("image",),
    intensity=FULL_RANGE,
    scale=2,
    size_multiple=8,
    degradation={"kind": "downsample", "factor": [2, 2], "method": "area"},
)


def card_like(**changes):
    return ModelCard.from_json(X2.to_json() | changes)


DENOISER = card_like(
    id="clean",
    task="denoising",
    title="Clean",
    inputs=("noisy image",),
    scale=1,
    degradation={"kind": "rician", "sigma": 0.05},
)
THIN = card_like(
    id="thin",
    title="Thin",
    scale=1,
    size_multiple=4,
    planes=("coronal", "sagittal"),
    degradation={"kind": "thick-slices", "factor": [3, 1], "profile": "gaussian"},
)
CT = card_like(
    id="ct",
    task="denoising",
    title="Low dose",
    inputs=("low-dose CT",),
    outputs=("CT",),
    scale=1,
    size_multiple=4,
    intensity={"*": {"kind": "window", "low": -1024, "high": 3072}},
    value_range=(0, 1),
    degradation={"kind": "low-dose", "dose": 0.25, "photons": 1e5, "electronic": 10},
)


class Spy(nn.Module):
    """Adds `offset` to what it is shown, and remembers it."""

    def __init__(self, offset=0.0, fails_above=None):
        super().__init__()
        self.offset, self.fails_above, self.shown = offset, fails_above, []

    def forward(self, image):
        if self.fails_above and max(image.shape[2:]) > self.fails_above:
            raise torch.OutOfMemoryError("out of memory")
        self.shown.append(image.clone())
        return image + self.offset


def made_by(*args, **kwargs):
    result = exhausted(restore(*args, **kwargs))
    (volume,) = result.volumes.values()
    return volume


@pytest.fixture
def bright(rng):
    """A radiograph-like stack, bright up to its borders; odd sides."""
    data = rng.uniform(400, 900, (1, 3, 19, 27)).astype(np.float32)
    return Volume(data, (3, 0.5, 0.4), (1, 2, 3), modality="X-ray", name="chest")


def test_super_resolution_lies_on_the_area_of_its_input(bright):
    made = made_by(bright, X2, model=Spy())

    assert made.shape == (3, 38, 54)
    assert made.spacing == pytest.approx((3, 0.25, 0.2))
    # Its first voxel is a quarter of the coarse one's size from that one's centre.
    assert made.origin == pytest.approx((1, 2 - 0.125, 3 - 0.1))
    repeated = bright.data.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(made.data, repeated, rtol=1e-5)


def test_the_result_says_what_it_is(bright):
    result = exhausted(restore(bright, X2, model=Spy()))
    made = result.volumes["image"]

    assert made.name == "chest (super-resolved x2: Fine)"
    assert made.modality == "X-ray"
    assert made.is_synthetic
    assert made.data.dtype == np.float32
    provenance = made.metadata["provenance"]
    assert provenance == result.provenance
    assert provenance["task"] == "super-resolution"
    assert provenance["factor"] == [1, 2, 2]
    assert provenance["planes"] == ["axial"]
    assert provenance["tile"] == 0
    assert not any("relative" in note for note in provenance["notes"])


def test_an_oblique_image_keeps_its_directions(bright):
    turn = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    oblique = bright.with_data(bright.data, direction=turn, orientation="RAS")
    made = made_by(oblique, X2, model=Spy())

    np.testing.assert_array_equal(made.direction, turn)
    assert made.orientation == "RAS"
    corner = np.subtract(oblique.origin, turn @ np.multiply(oblique.spacing, 0.5))
    its = np.subtract(made.origin, turn @ np.multiply(made.spacing, 0.5))
    np.testing.assert_allclose(its, corner, atol=1e-6)


def test_what_is_bright_at_the_border_meets_no_black_frame(bright):
    spy = Spy()
    made_by(bright, X2, model=spy)
    seen = spy.shown[0]

    assert seen.shape[2:] == (40, 56)  # padded from 38 x 54 to multiples of 8
    assert torch.equal(seen[..., 38:, :], seen[..., 37:38, :].expand(-1, -1, 2, -1))
    assert torch.equal(seen[..., 54:], seen[..., 53:54].expand(-1, -1, -1, 2))
    assert (seen == -1).sum() <= 4  # only the darkest pixel of all
    # Whatever the network leaves out, each block of 2 x 2 is one pixel of the input.
    coarse = seen[..., ::2, ::2]
    assert torch.equal(seen, coarse.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_synthesis_still_has_a_black_frame(study):
    card = card_like(
        id="syn", task="synthesis", inputs=["T1"], outputs=["T2"], degradation={}
    )
    assert not prepare_study(study, card, targets=["T2"]).frame.is_edge_repeated


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_other_planes_are_made_finer_too(bright, plane):
    made = made_by(bright, X2, plane=plane, model=Spy())
    axes = {"coronal": (1, 3), "sagittal": (1, 2)}[plane]

    expected = bright.data.repeat(2, axis=axes[0]).repeat(2, axis=axes[1])
    np.testing.assert_allclose(made.data, expected, rtol=1e-5)
    assert made.metadata["provenance"]["plane"] == plane


def test_slices_that_were_not_asked_for_hold_the_input(bright):
    made = made_by(bright, DENOISER, slices=1, model=Spy(-0.5))

    np.testing.assert_array_equal(made.data[0, [0, 2]], bright.data[0, [0, 2]])
    assert (made.data[0, 1] < bright.data[0, 1] - 1).all()


def test_an_empty_slice_stays_what_it_was(rng):
    data = rng.uniform(-1000, 1000, (1, 3, 16, 16)).astype(np.float32)
    data[0, 1] = rng.uniform(-1100, -990, (16, 16))
    volume = Volume(data, modality="CT", name="CT")
    spy = Spy(0.1)
    made = made_by(volume, CT, model=spy)

    np.testing.assert_array_equal(made.data[0, 1], data[0, 1])
    assert sum(len(batch) for batch in spy.shown) == 2


def test_ct_keeps_its_hounsfield_units(rng):
    data = rng.uniform(-1000, 3000, (1, 2, 17, 18)).astype(np.float32)
    volume = Volume(data, modality="CT", name="abdomen")
    made = made_by(volume, CT, model=Spy())

    np.testing.assert_allclose(made.data, data, atol=0.01)
    assert made.name == "abdomen (denoised: Low dose)"


def test_metal_beyond_the_window_stays(rng):
    data = rng.uniform(0, 100, (1, 1, 16, 16)).astype(np.float32)
    data[0, 0, 3, 3:6] = [8000, -3024, np.nan]
    made = made_by(Volume(data, modality="CT"), CT, model=Spy(0.01))

    step = 0.01 * 4096 / 2
    assert made.data[0, 0, 3, 3] == pytest.approx(8000)
    # Below the window: what the network made of -1024, and what was beyond.
    assert made.data[0, 0, 3, 4] == pytest.approx(-3024 + step, abs=0.01)
    assert made.data[0, 0, 3, 5] == pytest.approx(-1024 + step, abs=0.01)
    np.testing.assert_allclose(made.data[0, 0, 5:], data[0, 0, 5:] + step, atol=0.01)


def test_a_network_that_leaves_the_window_is_clipped(rng):
    data = rng.uniform(-900, 2000, (1, 1, 16, 16)).astype(np.float32)

    assert made_by(Volume(data), CT, model=Spy(9.0)).data.max() == 3072
    assert made_by(Volume(data), CT, model=Spy(-9.0)).data.min() == -1024


def test_the_brightest_of_very_many_pixels_is_not_clipped(rng):
    data = rng.uniform(0, 10, (1, 1, 1100, 1000)).astype(np.float32)
    data[0, 0, 500, 501] = 500
    made = made_by(Volume(data), DENOISER, model=Spy())

    assert made.data.max() == pytest.approx(500)


def test_thick_slices_become_thinner_on_both_planes(rng):
    data = rng.uniform(0, 100, (1, 5, 12, 10)).astype(np.float32)
    spy = Spy()
    volume = Volume(data, (3, 0.9, 0.9), name="T1", modality="T1")
    result = exhausted(restore(volume, THIN, model=spy))
    made = result.volumes["image"]

    assert made.shape == (15, 12, 10)
    assert made.spacing == pytest.approx((1, 0.9, 0.9))
    assert made.origin == pytest.approx((-1, 0, 0))
    assert result.provenance["planes"] == ["coronal", "sagittal"]
    assert result.provenance["factor"] == [3, 1, 1]
    shapes = {tuple(image.shape[2:]) for image in spy.shown}
    assert shapes == {(16, 12)}  # 15 x 10 and 15 x 12, padded
    np.testing.assert_allclose(made.data[0, 1::3], data[0], atol=15)


def test_both_planes_count_the_same(rng):
    class Coronal(nn.Module):
        """Tells planes apart: coronal slices are 8 pixels wide."""

        def forward(self, image):
            return image + (0.4 if image.shape[3] == 8 else 0.2)

    data = rng.uniform(20, 80, (1, 4, 12, 8)).astype(np.float32)
    data[0, 0, 0, :2] = [0, 200]
    volume = Volume(data, (2, 1, 1))
    plain = made_by(volume, THIN, model=Spy())
    made = made_by(volume, THIN, model=Coronal())

    low, high = plain.data.min(), plain.data.max()
    step = made.data - plain.data
    np.testing.assert_allclose(step, 0.3 * (high - low) / 2, rtol=1e-3)


@pytest.mark.parametrize("factor", [2, 4])
def test_thick_slices_take_any_factor(rng, factor):
    volume = Volume(rng.uniform(0, 9, (1, 4, 8, 8)).astype(np.float32), (4, 1, 1))
    made = made_by(volume, THIN, factor=factor, plane="coronal", model=Spy())

    assert made.shape == (4 * factor, 8, 8)
    assert made.spacing[0] == pytest.approx(4 / factor)


@pytest.mark.parametrize("axis", [1, 2])
def test_the_thick_axis_may_be_another(rng, axis):
    """A sagittal acquisition has its thick slices along X."""
    axial = Volume(
        rng.uniform(0, 9, (1, 4, 8, 12)).astype(np.float32), (4, 1, 1.1), (5, 6, 7)
    )
    order = [0, 1, 2]
    order[0], order[axis] = axis, 0
    turned = Volume(
        np.ascontiguousarray(axial.data.swapaxes(1, 1 + axis)),
        tuple(np.array(axial.spacing)[order]),
        tuple(np.array(axial.origin)[order]),
    )
    expected, made = (made_by(v, THIN, model=Spy()) for v in (axial, turned))

    np.testing.assert_allclose(
        made.data.swapaxes(1, 1 + axis), expected.data, rtol=1e-4
    )
    assert made.origin == pytest.approx(np.array(expected.origin)[order])
    assert made.spacing == pytest.approx(np.array(expected.spacing)[order])
    np.testing.assert_array_equal(made.direction, np.eye(3))
    names = ["axial", "coronal", "sagittal"]
    assert names[axis] not in made.metadata["provenance"]["planes"]


def test_progress_counts_slices_of_both_planes(rng):
    volume = Volume(rng.uniform(0, 9, (1, 3, 6, 5)).astype(np.float32), (3, 1, 1))
    steps = list(restore(volume, THIN, model=Spy()))

    assert [steps[0].done, steps[-1].done] == [0, 11]
    assert {step.total for step in steps} == {11}
    assert not any(step.partial for step in steps)


def test_a_radiograph_is_run_in_tiles(rng):
    tile, sides = 256, (2048, 2500)
    data = rng.uniform(0, 4095, (1, 1, *sides)).astype(np.float32)
    card = card_like(
        id="xray",
        task="denoising",
        scale=1,
        tile=tile,
        overlap=32,
        degradation={"kind": "rician", "sigma": 0.05},
    )
    spy = Spy()
    steps = restore(Volume(data, name="chest"), card, model=spy)
    told = [next(steps).tiles for _ in range(4)]
    result = exhausted(steps)
    made = result.volumes["image"]

    assert {tuple(image.shape) for image in spy.shown} == {(1, 1, tile, tile)}
    assert told[1:] == [(1, 108), (2, 108), (3, 108)]
    np.testing.assert_allclose(made.data, data, atol=0.01)
    assert result.provenance["tile"] == tile


def test_the_caller_chooses_the_tile(bright):
    spy, whole = Spy(), Spy()
    card = card_like(id="tiled", tile=24, overlap=8)
    tiled = made_by(bright, card, tile=16, model=spy)
    made_by(bright, card, tile=0, model=whole)

    assert max(max(image.shape[2:]) for image in spy.shown) == 16
    assert whole.shown[0].shape[2:] == (40, 56)
    assert tiled.metadata["provenance"]["tile"] == 16
    with pytest.raises(EngineError, match="side of 1 pixel"):
        made_by(bright, card, tile=-1, model=Spy())


def test_tiles_begin_with_a_whole_block(rng):
    """A network of scale 2 sees every second pixel: the first of each block."""
    data = rng.uniform(0, 9, (1, 1, 50, 61)).astype(np.float32)
    spy = Spy()
    made_by(Volume(data), card_like(id="t", tile=40, overlap=13), model=spy)

    assert len(spy.shown) > 4
    for seen in spy.shown:
        coarse = seen[..., ::2, ::2]
        assert torch.equal(seen, coarse.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_tiles_are_halved_when_memory_runs_out(rng):
    data = rng.uniform(0, 9, (1, 1, 300, 280)).astype(np.float32)
    card = card_like(
        id="m",
        scale=1,
        tile=256,
        overlap=16,
        degradation={"kind": "rician", "sigma": 0.05},
    )
    spy = Spy(fails_above=64)
    steps = list(restore(Volume(data), card, model=spy))
    messages = [step.message for step in steps if step.message]

    assert [m.split()[-2] for m in messages] == ["128", "64"]
    assert {image.shape[2:] for image in spy.shown} == {(64, 64)}
    with pytest.raises(DeviceMemoryError):
        list(restore(Volume(data), card, model=Spy(fails_above=10)))


@pytest.mark.parametrize(
    ("layer", "differs"),
    [(nn.InstanceNorm2d(1), True), (nn.Conv2d(1, 1, 3, padding=1), False)],
)
def test_a_network_of_means_says_that_tiles_matter(bright, layer, differs):
    card = card_like(id="g", tile=16, overlap=4)
    result = exhausted(restore(bright, card, model=nn.Sequential(layer)))

    notes = " ".join(result.provenance["notes"])
    assert ("tiles of 16 pixels" in notes) is differs


def test_gaps_do_not_spread(bright):
    bright.data[0, 1, 4, 4] = np.nan
    bright.data[0, 1, 9, 9] = np.inf
    enlarged = card_like(id="srcnn", scale=1)
    for card in (X2, enlarged, DENOISER):
        made = made_by(bright, card, model=Spy())
        assert np.isfinite(made.data).all()
        assert made.data.max() < 1500


@pytest.mark.parametrize(
    ("card", "settings", "error", "words"),
    [
        (X2, {"factor": 3}, CardError, "2 times"),
        (DENOISER, {"factor": 2}, CardError, "enlarges nothing"),
        (X2, {"plane": "oblique"}, EngineError, "one of axial"),
        (THIN, {"plane": "axial"}, EngineError, "coronal or sagittal"),
        (THIN, {"slices": 1}, EngineError, "plane too"),
        (
            card_like(id="s", task="synthesis", degradation={}),
            {},
            CardError,
            "restores nothing",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused(bright, card, settings, error, words):
    with pytest.raises(error, match=words):
        made_by(bright, card, model=Spy(), **settings)


def test_a_single_slice_has_no_slices_to_make_thinner(bright):
    radiograph = bright.with_data(bright.data[:, :1], spacing=(1.0, 2.0, 2.0))
    with pytest.raises(EngineError, match="a single slice"):
        list(restore(radiograph, THIN, model=Spy()))


def test_what_a_network_must_beat_is_on_its_grid(rng):
    volume = Volume(
        rng.uniform(0, 9, (1, 4, 12, 11)).astype(np.float32), (1, 1.5, 4), name="a"
    )
    for card, choices in ((X2, {}), (X2, {"plane": "sagittal"}), (THIN, {"factor": 2})):
        made = made_by(volume, card, model=Spy(), **choices)
        plain = interpolated(volume, card, **choices)

        assert plain.shape == made.shape
        assert plain.spacing == pytest.approx(made.spacing)
        assert plain.origin == pytest.approx(made.origin)
        assert plain.name == "a (cubic interpolation)"
        assert not plain.is_synthetic
    assert interpolated(volume, DENOISER) is volume
    smooth = volume.with_data(np.fromfunction(lambda c, z, y, x: x, volume.data.shape))
    ramp = interpolated(smooth, X2).data[0, 0, 0, 4:-4]
    np.testing.assert_allclose(np.diff(ramp), 0.5, atol=1e-4)
    with pytest.raises(CardError, match="2 times"):
        interpolated(volume, X2, factor=3)
