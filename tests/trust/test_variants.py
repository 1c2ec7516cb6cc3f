"""Variants: what is changed is undone exactly, and methods refuse what cannot work."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.testing import assert_close

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import CardError, EngineError
from napari_medsynth.io import Study, Volume
from napari_medsynth.trust import variants as module
from napari_medsynth.trust.variants import MAX_SHIFT, Change, variants_of


class SourceOne(nn.Module):
    """Every output is the first input."""

    def forward(self, image):
        return image[:, :1].expand_as(image)


@pytest.fixture
def prepared(quad, without, card):
    return prepare_study(without(quad, "FLAIR"), card, targets=["FLAIR"])


@pytest.fixture
def network(card):
    return SliceNetwork(card, model=SourceOne())


@pytest.mark.parametrize(
    "change",
    [Change((3, -2)), Change(is_mirrored=True), Change((-1, 4), True)],
    ids=str,
)
def test_undo_brings_a_moved_image_back_exactly(change):
    image = torch.rand(2, 3, 7, 9)

    moved = change.apply(image)

    assert not torch.equal(moved, image)
    assert_close(change.undo(moved), image, rtol=0, atol=0)


def test_shift_and_mirror_are_those_of_numpy():
    image = torch.rand(1, 2, 5, 6)

    moved = Change((1, -2), True).apply(image)

    expected = np.roll(image.numpy(), (1, -2), axis=(2, 3))[..., ::-1]
    assert_array_equal(moved.numpy(), expected)


def test_gain_scales_the_brightness_above_black_and_stops_at_white():
    image = torch.tensor([-1.0, 0.0, 0.9]).reshape(1, 1, 1, 3).repeat(1, 2, 1, 1)

    scaled = Change(gains=(1.2, 1.0)).apply(image)

    assert_allclose(scaled[0, 0, 0], [-1, 0.2, 1.0], rtol=1e-6)
    assert_array_equal(scaled[0, 1], image[0, 1])


def test_augmentation_leaves_missing_contrasts_alone(prepared, network):
    variants = variants_of(prepared, [network], "augmentation", n=6)

    gains = np.array([variant.change.gains for variant in variants])
    assert_array_equal(gains[:, 3], 1)  # FLAIR is missing
    assert np.all(np.std(gains[:, :3], axis=0) > 0)
    shifts = np.array([variant.change.shift for variant in variants])
    assert np.abs(shifts).max() <= MAX_SHIFT
    assert len({variant.change.shift for variant in variants}) > 1


@pytest.mark.parametrize(
    ("flips", "plane", "expected"),
    [(True, "axial", True), (False, "axial", False), (True, "sagittal", False)],
)
def test_only_left_and_right_are_mirrored_and_only_if_the_card_allows(
    quad, without, card, flips, plane, expected
):
    card = replace(card, flips=flips)
    study = without(quad, "FLAIR")
    prepared = prepare_study(study, card, targets=["FLAIR"], plane=plane)
    network = SliceNetwork(card, model=SourceOne())

    variants = variants_of(prepared, [network], "augmentation", n=20)

    assert any(variant.change.is_mirrored for variant in variants) is expected


def test_same_seed_gives_the_same_variants(prepared, network):
    def changes(seed):
        variants = variants_of(prepared, [network], "augmentation", n=4, seed=seed)
        return [variant.change for variant in variants]

    assert changes(1) == changes(1)
    assert changes(1) != changes(2)


def test_variants_that_only_move_agree_with_the_plain_run(
    prepared, network, monkeypatch
):
    monkeypatch.setattr(module, "GAIN_SPREAD", 0.0)

    for variant in variants_of(prepared, [network], "augmentation", n=3):
        expected = prepared.inputs((0, 1)).numpy()[:, :1]
        assert_allclose(variant((0, 1)), prepared.outputs(torch.tensor(expected)))


def test_dropout_is_on_and_follows_its_seed(prepared, card):
    network = SliceNetwork(
        card, model=nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.3))
    )
    state = torch.get_rng_state()

    def run(seed):
        one, two = variants_of(prepared, [network], "dropout", n=2, seed=seed)
        return one((1,)), two((1,))

    first, second = run(3)
    assert not np.array_equal(first, second)
    assert_array_equal(run(3)[0], first)
    assert not np.array_equal(run(4)[0], first)
    assert_close(network(prepared.inputs((1,))), prepared.inputs((1,)))  # still off
    assert torch.equal(torch.get_rng_state(), state)


def test_model_without_dropout_is_refused_in_one_sentence(prepared, card):
    network = SliceNetwork(card, model=nn.Sequential(nn.Dropout(0.0)))

    with pytest.raises(CardError, match="Mixer has no dropout: choose augmentation"):
        variants_of(prepared, [network], "dropout", n=4)


def test_ensemble_member_with_fewer_inputs_gets_its_own_input(prepared, network, card):
    other = replace(
        card, id="pair", inputs=("T2", "T1"), outputs=("FLAIR",), is_unified=False
    )

    class First(nn.Module):
        def forward(self, image):
            return image[:, :1]

    members = [network, SliceNetwork(other, model=First())]
    ours, theirs = variants_of(prepared, members, "ensemble", n=9)

    inputs = prepared.inputs((2,))
    assert_allclose(ours((2,)), prepared.outputs(inputs[:, 0:1]))
    assert_allclose(theirs((2,)), prepared.outputs(inputs[:, 1:2]))  # its first: T2


def test_ensemble_of_models_with_other_scales_is_refused(prepared, network, card):
    other = replace(
        card, id="zscored", title="Zed", intensity={"*": {"kind": "zscore"}}
    )
    members = [network, SliceNetwork(other, model=SourceOne())]

    with pytest.raises(CardError, match="Zed and Mixer scale FLAIR in different ways"):
        variants_of(prepared, members, "ensemble", n=2)


@pytest.mark.parametrize(
    ("method", "n_networks", "n", "reason"),
    [
        ("magic", 1, 4, "must be one of augmentation, dropout, ensemble, got 'magic'"),
        ("ensemble", 1, 4, "needs two models or more, got 1"),
        ("augmentation", 1, 1, "needs one model and two runs of it or more, got 1 and"),
        ("augmentation", 2, 4, "needs one model and two runs of it or more, got 2 and"),
    ],
)
def test_what_cannot_work_is_refused(prepared, network, method, n_networks, n, reason):
    with pytest.raises(EngineError, match=reason):
        variants_of(prepared, [network] * n_networks, method, n=n)


def test_restoration_keeps_blocks_and_brightness(quad, card):
    """A network of scale 4 sees every 4th pixel: the first of a repeated block."""
    fine = replace(
        card,
        is_unified=False,
        inputs=("T1",),
        outputs=("image",),
        scale=4,
        degradation={"kind": "downsample", "factor": [4, 4]},
    )
    prepared = prepare_study(quad, fine, targets=["image"])
    network = SliceNetwork(fine, model=SourceOne())
    variants = variants_of(prepared, [network], "augmentation", n=8)

    shifts = np.array([variant.change.shift for variant in variants])
    assert (shifts % 4 == 0).all()
    assert len(np.unique(shifts)) > 1
    assert {variant.change.gains for variant in variants} == {(1.0,)}


def test_neighbours_are_as_bright_as_their_slice(quad, card):
    near = replace(
        card, is_unified=False, inputs=("T1", "T2"), outputs=("PD",), neighbours=1
    )
    prepared = prepare_study(quad, near, targets=["PD"])
    network = SliceNetwork(near, model=SourceOne())
    (variant, *_) = variants_of(prepared, [network], "augmentation", n=2)

    gains = variant.change.gains
    assert len(gains) == 6
    assert len(set(gains[:3])) == len(set(gains[3:])) == 1
    assert gains[0] != gains[3]


class Blurred(nn.Module):
    """The mean of 5 x 5 pixels of the first input."""

    def forward(self, image):
        return nn.functional.avg_pool2d(image[:, :1], 5, stride=1, padding=2)


def test_what_fills_its_frame_does_not_come_in_on_the_other_side(card):
    """A picture that is bright on the left and dark on the right has the same borders
    however it is shifted.
    """
    worse = replace(
        card,
        is_unified=False,
        inputs=("noisy image",),
        outputs=("image",),
        size_multiple=4,
        flips=False,
        intensity={"*": {"kind": "percentile", "low": 0.0, "high": 100.0}},
        degradation={"kind": "rician", "sigma": 0.1},
    )
    ramp = np.tile(np.linspace(900, 0, 32, dtype=np.float32), (24, 1))
    study = Study({"noisy image": Volume(ramp[None, None])})
    prepared = prepare_study(study, worse, targets=["image"])
    network = SliceNetwork(worse, model=Blurred())
    variants = variants_of(prepared, [network], "augmentation", n=6)
    made = [variant((0,)) for variant in variants]

    assert len({variant.change.shift for variant in variants}) > 1
    for one in made:
        assert one.shape == (1, 1, 24, 32)
        assert_allclose(one, made[0], atol=1e-5)
    assert_allclose(made[0][0, 0, :, 4:-4], ramp[:, 4:-4] / 450 - 1, atol=1e-5)
