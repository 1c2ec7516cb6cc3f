"""Contributions of sources, for models whose contributions are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import ShapleyValues
from torch import nn

from napari_medsynth.catalogue import get_card
from napari_medsynth.engine import predict
from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.errors import EngineError
from napari_medsynth.io import Study, read_study
from napari_medsynth.trust.contribution import contributions, slice_contribution

from .conftest import Brightest, Mixer

LINEAR = [[0, 0, 0, 0], [0, 0, 0, 0], [0.25, 0, 0, 0], [0.5, -0.25, 0, 0]]
FLAIR = 3


def shown(prepared, modality, index=1):
    """A source as the network sees it, on the slice's own grid."""
    channel = prepared.card.inputs.index(modality)
    return prepared.sources.images((index,), prepared.frame.axis)[0, channel]


@pytest.fixture
def prepared(quad, without, card):
    return prepare_study(without(quad, "FLAIR"), card, targets=["FLAIR"])


def test_linear_mixer_gives_each_source_its_own_term(prepared, card):
    network = SliceNetwork(card, model=Mixer(LINEAR))

    found = slice_contribution(prepared, network, 1)

    for source, weight in {"T1": 0.5, "T2": -0.25, "PD": 0.0}.items():
        expected = weight * (shown(prepared, source) + 1)  # missing is -1
        np.testing.assert_allclose(found.maps["FLAIR", source], expected, atol=1e-6)
    assert np.abs(found.maps["FLAIR", "PD"]).max() < 1e-7


def test_shares_are_those_of_the_magnitudes_in_the_foreground(prepared, card):
    found = slice_contribution(prepared, SliceNetwork(card, model=Mixer(LINEAR)), 1)

    inside = np.s_[3:-3, 3:-3]
    t1 = 0.5 * (shown(prepared, "T1")[inside] + 1).sum()
    t2 = 0.25 * (shown(prepared, "T2")[inside] + 1).sum()
    assert found.shares["FLAIR"] == pytest.approx(
        {"T1": t1 / (t1 + t2), "T2": t2 / (t1 + t2), "PD": 0.0}, rel=1e-5
    )


def test_air_does_not_count_in_the_shares(quad, without, card):
    bright = quad["T2"].data.copy()
    bright[:, :, :2, :2] = 20.0  # a little noise in the air: under 5 % of the range
    noisy = Study({**quad.volumes, "T2": quad["T2"].with_data(bright)})
    weights = [[0.0] * 4] * 3 + [[1.0, 100.0, 0.0, 0.0]]
    shares = []
    for study in (quad, noisy):
        prepared = prepare_study(without(study, "FLAIR"), card, targets=["FLAIR"])
        network = SliceNetwork(card, model=Mixer(weights))
        shares.append(slice_contribution(prepared, network, 1).shares["FLAIR"]["T2"])

    assert shares[0] == pytest.approx(shares[1], rel=1e-3)


def test_brightest_of_two_shares_what_only_one_adds(prepared, card):
    found = slice_contribution(prepared, SliceNetwork(card, model=Brightest()), 1)

    t1, t2 = shown(prepared, "T1") + 1, shown(prepared, "T2") + 1
    both = np.minimum(t1, t2)  # what either would have brought
    np.testing.assert_allclose(found.maps["FLAIR", "T1"], t1 - both / 2, atol=1e-6)
    np.testing.assert_allclose(found.maps["FLAIR", "T2"], t2 - both / 2, atol=1e-6)
    assert np.abs(found.maps["FLAIR", "PD"]).max() < 1e-7
    assert found.shares["FLAIR"]["PD"] == pytest.approx(0, abs=1e-7)


def test_maps_sum_to_the_synthesis_minus_that_of_nothing(study, card, rng):
    weights = rng.normal(size=(4, 4))
    prepared = prepare_study(
        study, replace(card, spacing=1.0), targets=["T2", "FLAIR"], plane="coronal"
    )
    network = SliceNetwork(card, model=Mixer(weights))
    index = 20

    found = slice_contribution(prepared, network, index)

    for target in ("T2", "FLAIR"):
        channel = prepared.channel_of(target)
        full, empty = (
            prepared.outputs(network(prepared.inputs((index,), hidden=hidden)))
            for hidden in ((), prepared.available)
        )
        total = sum(found.maps[target, s] for s in prepared.available)
        expected = (full - empty)[0, channel]
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(total, expected, atol=1e-5)


def test_volume_holds_the_slices_where_they_were(prepared, card, last_of):
    network = SliceNetwork(card, model=Mixer(LINEAR))

    result, steps = last_of(contributions(prepared, network, (1, 2)))

    volume = result.volumes["FLAIR", "T1"]
    assert volume.shape == (2, 24, 20)
    assert volume.origin == (5.0, -3.0, 4.0)  # slice 1 of 3 mm
    assert volume.modality == ""
    assert volume.metadata["trust"] == "contribution"
    assert volume.is_synthetic  # so that no reader takes it for a scan
    assert volume.metadata["provenance"]["sha256"] == card.sha256
    for i, index in enumerate((1, 2)):
        expected = slice_contribution(prepared, network, index)
        assert volume.data[0, i].tolist() == expected.maps["FLAIR", "T1"].tolist()
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, 16, 16)
    assert [s.latest.index for s in steps if s.latest] == [1, 2]
    assert result.n_runs == 16


def test_shares_of_a_volume_weigh_slices_by_what_happens_there(prepared, card, last_of):
    network = SliceNetwork(card, model=Mixer(LINEAR))

    result, _ = last_of(contributions(prepared, network))

    tallies = [slice_contribution(prepared, network, i).tally for i in range(3)]
    t1, t2, _ = sum(tally.sums[0, 0] for tally in tallies)
    assert result.shares["FLAIR"]["T1"] == pytest.approx(t1 / (t1 + t2))
    assert sum(result.shares["FLAIR"].values()) == pytest.approx(1)
    means = [tally.left_out["FLAIR"]["T1"] for tally in tallies]  # of equal areas
    assert result.tally.left_out["FLAIR"]["T1"] == pytest.approx(np.mean(means))


def test_source_that_another_repeats_is_not_missed(quad, without, card):
    twins = Study({**quad.volumes, "T2": quad["T1"].with_data(quad["T1"].data)})
    prepared = prepare_study(without(twins, "FLAIR"), card, targets=["FLAIR"])
    network = SliceNetwork(card, model=Brightest())  # of T1 and T2

    found = slice_contribution(prepared, network, 1)

    assert found.shares["FLAIR"] == pytest.approx({"T1": 0.5, "T2": 0.5, "PD": 0})
    assert found.tally.left_out["FLAIR"] == pytest.approx({"T1": 0, "T2": 0, "PD": 0})
    assert not found.changes["FLAIR", "T1"].any()
    image = (shown(prepared, "T1")[3:-3, 3:-3] + 1).mean() / 2
    assert found.tally.alone["FLAIR"] == pytest.approx(
        {"T1": 0, "T2": 0, "PD": image}, rel=1e-5
    )


def test_change_is_what_predict_makes_less_without_a_source(
    prepared, quad, without, card, last_of, rng
):
    model = Mixer(rng.uniform(-0.2, 0.2, (4, 4)))
    network = SliceNetwork(card, model=model)

    result, _ = last_of(contributions(prepared, network))

    made = [
        last_of(predict(study, card, targets=["FLAIR"], model=model))[0]
        for study in (quad, without(quad, "T2"))
    ]
    images = [
        prepared.sources.unit_of("FLAIR").forward(m.volumes["FLAIR"].data) for m in made
    ]
    change = result.changes["FLAIR", "T2"]
    np.testing.assert_allclose(change.data, images[0] - images[1], atol=1e-5)
    assert np.abs(change.data).max() > 0.05
    assert change.metadata["trust"] == "change"
    inside = np.s_[0, :, 3:-3, 3:-3]
    expected = np.abs(images[0] - images[1])[inside].mean() / 2
    assert result.tally.left_out["FLAIR"]["T2"] == pytest.approx(expected, rel=1e-4)


def test_targets_share_the_runs(quad, without, card):
    model = Mixer(LINEAR)
    prepared = prepare_study(without(quad, "PD", "FLAIR"), card)

    found = slice_contribution(prepared, SliceNetwork(card, model=model), 0)

    assert sum(model.sizes) == found.n_runs == 4
    assert set(found.maps) == {
        (target, source) for target in ("PD", "FLAIR") for source in ("T1", "T2")
    }
    expected = 0.25 * (shown(prepared, "T1", 0) + 1)
    np.testing.assert_allclose(found.maps["PD", "T1"], expected, atol=1e-6)


def test_empty_slice_is_not_run(quad, without, card, last_of):
    black = quad["T1"].data * np.float32([0, 1, 1])[:, None, None]
    volumes = {m: quad[m].with_data(black, modality=m) for m in quad.modalities}
    prepared = prepare_study(without(Study(volumes), "FLAIR"), card, targets=["FLAIR"])
    network = SliceNetwork(card, model=Mixer(LINEAR))

    result, steps = last_of(contributions(prepared, network, (0,)))

    assert result.n_runs == 0
    assert not result.volumes["FLAIR", "T1"].data.any()
    assert result.shares["FLAIR"] == {"T1": 0, "T2": 0, "PD": 0}
    assert steps[-1].done == steps[-1].total


def test_caller_can_stop_between_batches(prepared, card):
    model = Mixer(LINEAR)
    steps = contributions(prepared, SliceNetwork(card, model=model))
    next(steps)
    next(steps)
    steps.close()

    assert sum(model.sizes) < 8


def test_five_sources_are_refused(quad, card):
    names = ("T1", "T2", "PD", "FLAIR", "T1ce")
    five = replace(card, inputs=names, outputs=("CT",), is_unified=False)
    volumes = {**quad.volumes, "T1ce": quad["T1"].with_data(quad["T1"].data)}
    prepared = prepare_study(Study(volumes), five)

    with pytest.raises(EngineError, match="up to 4 sources, and 5"):
        slice_contribution(prepared, SliceNetwork(five, model=Mixer([[1] * 5])), 0)


def test_slice_that_does_not_exist_is_refused(prepared, card):
    with pytest.raises(EngineError, match="0 to 2"):
        slice_contribution(prepared, SliceNetwork(card, model=Mixer(LINEAR)), 3)


def test_model_of_fixed_sources_gets_a_note(quad, card, last_of):
    fixed = replace(card, inputs=("T1", "T2"), outputs=("FLAIR",), is_unified=False)
    prepared = prepare_study(quad, fixed, targets=["FLAIR"])
    network = SliceNetwork(fixed, model=Mixer([[0.5, 0.5]]))

    result, _ = last_of(contributions(prepared, network, (1,)))

    assert "never trained with a source missing" in result.notes[0]
    assert result.shares["FLAIR"]["T1"] == pytest.approx(0.5, abs=0.05)


def test_unified_model_gets_no_note(prepared, card, last_of):
    network = SliceNetwork(card, model=Mixer(LINEAR))

    assert last_of(contributions(prepared, network, (1,)))[0].notes == ()


def test_contributions_are_those_of_captum(quad, card):
    """A network that mixes neighbours and channels, against another implementation."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)
    ).requires_grad_(False)
    prepared = prepare_study(quad, replace(card, outputs=card.inputs), targets=["PD"])
    network = SliceNetwork(card, model=net)

    found = slice_contribution(prepared, network, 1)

    image = prepared.inputs((1,))
    channels = torch.arange(4).reshape(1, 4, 1, 1)
    pixels = [(4, 5), (12, 9), (20, 15)]
    for row, column in pixels:
        attribution = ShapleyValues(
            lambda x, r=row, c=column: prepared.frame.from_network(net(x))[:, 2, r, c]
        ).attribute(image, baselines=card.missing_value, feature_mask=channels)
        for source in prepared.available:
            channel = card.inputs.index(source)
            expected = float(attribution[0, channel, 0, 0])
            assert found.maps["PD", source][row, column] == pytest.approx(
                expected, abs=1e-5
            )


def test_real_scans_sum_to_what_the_starter_paints(shared):
    folder = shared / "data/brain/ms_lesjak_p07"
    study = read_study({m: folder / f"{m}.nii.gz" for m in ("T1", "T2")})
    card = get_card("starter")
    prepared = prepare_study(study, card, targets=["FLAIR"])
    network = SliceNetwork(card)
    index = prepared.n_slices // 2

    found = slice_contribution(prepared, network, index)

    full, empty = (
        prepared.outputs(network(prepared.inputs((index,), hidden=hidden)))[0, 3]
        for hidden in ((), ("T1", "T2"))
    )
    total = found.maps["FLAIR", "T1"] + found.maps["FLAIR", "T2"]
    np.testing.assert_allclose(total, full - empty, atol=0.03)  # bf16 in batches
    assert sum(found.shares["FLAIR"].values()) == pytest.approx(1)
