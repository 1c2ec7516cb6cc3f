"""Unpaired data: who meets whom, by number."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError, VolumeError
from napari_medsynth.training import DataConfig, TrainConfig, TrainJob
from napari_medsynth.training.data.batches import Mixture
from napari_medsynth.training.data.gather import batches_of, gather, mixture_of
from napari_medsynth.training.data.samples import Sample, Subject
from napari_medsynth.training.data.unpaired import UnpairedBatches, UnpairedSlices
from training.tiny import card_of

PLAIN = TrainConfig(objective="cycle", affine=0, intensity=0, flip=False)


@pytest.fixture
def card() -> ModelCard:
    return replace(card_of(("T1",), ("T2",)), size_multiple=4)


class Side:
    """Slices whose first pixel says who it is, and whose second which slice."""

    def __init__(self, who: int, n: int, shape=(16, 16)) -> None:
        self._who, self._n, self._shape = who, n, shape

    def indices(self, plane):
        return np.arange(self._n)

    def draw(self, plane, index, rng):
        image = np.full((1, *self._shape), -0.5, np.float32)
        image[0, 0, :2] = self._who / 100, index / 100
        return Sample(image, image, np.ones(1, bool))


def subject(card, who: int, n_sources: int, n_targets: int, person="", **options):
    made = UnpairedSlices(Subject(f"s{who}", {}, person), card, PLAIN)
    made.sides = tuple(
        Side(who, n, **options) if n else None for n in (n_sources, n_targets)
    )
    return made


def met(batch):
    """(who, slice) of source and target of each sample."""
    sides = (batch.sources, batch.truth)
    pixels = [(100 * side[:, 0, 0, :2]).round().int().tolist() for side in sides]
    return [(tuple(a), tuple(b)) for a, b in zip(*pixels, strict=True)]


def all_met(batches, rounds=1):
    n = batches.n_per_round
    return [pair for i in range(rounds * n) for pair in met(batches[i])]


def test_nobody_meets_themselves_where_there_are_two(card):
    mixture = Mixture([subject(card, n, 6, 4) for n in (1, 2)], ("axial",))

    pairs = all_met(UnpairedBatches(PLAIN, card, mixture, batch_size=5), rounds=3)

    assert len(pairs) == 36
    assert all(source[0] != target[0] for source, target in pairs)


def test_sessions_of_one_person_do_not_meet_either(card):
    subjects = [subject(card, n, 3, 3, person="ann") for n in (1, 2)]
    subjects.append(subject(card, 3, 3, 3))

    pairs = all_met(UnpairedBatches(PLAIN, card, Mixture(subjects, ("axial",))))

    assert all((source[0] == 3) != (target[0] == 3) for source, target in pairs)


def test_a_single_subject_still_gives_batches(card):
    batches = UnpairedBatches(
        PLAIN, card, Mixture([subject(card, 1, 3, 3)], ("axial",))
    )

    assert len(all_met(batches)) == 3


def test_the_larger_side_is_shown_once_and_the_other_again(card):
    subjects = [subject(card, 1, 7, 0), subject(card, 2, 0, 3)]
    batches = UnpairedBatches(PLAIN, card, Mixture(subjects, ("axial",)), batch_size=2)

    pairs = all_met(batches)

    assert batches.n_slices == 10
    assert batches.n_per_round == 4
    assert sorted(source for source, _ in pairs) == [(1, i) for i in range(7)]
    times = Counter(target for _, target in pairs)
    assert sorted(times.values()) == [2, 2, 3]


def test_the_larger_side_may_be_the_targets(card):
    subjects = [subject(card, 1, 2, 0), subject(card, 2, 0, 5)]
    batches = UnpairedBatches(PLAIN, card, Mixture(subjects, ("axial",)))

    pairs = all_met(batches)

    assert sorted(target for _, target in pairs) == [(2, i) for i in range(5)]
    assert {source for source, _ in pairs} == {(1, 0), (1, 1)}


def test_who_meets_whom_changes_from_round_to_round(card):
    subjects = [subject(card, 1, 8, 0), subject(card, 2, 0, 8)]
    batches = UnpairedBatches(PLAIN, card, Mixture(subjects, ("axial",)))

    pairs = all_met(batches, rounds=2)

    assert set(pairs[:8]) != set(pairs[8:])


def test_the_nth_batch_is_always_the_same(card):
    config = replace(PLAIN, affine=1.0, flip=True)
    subjects = [subject(card, n, 6, 4, shape=(40, 36)) for n in (1, 2)]
    first, second = (
        UnpairedBatches(config, card, Mixture(subjects, ("axial",)), batch_size=2)
        for _ in range(2)
    )
    expected = [first[number] for number in range(8)]

    for number in (7, 2, 5):
        made = second[number]
        assert (made.sources == expected[number].sources).all()
        assert (made.truth == expected[number].truth).all()
    assert made.wanted.all()
    assert not made.given.any()


def test_both_sides_may_have_other_sizes(card):
    subjects = [subject(card, 1, 2, 0, shape=(12, 20)), subject(card, 2, 0, 2)]

    batch = UnpairedBatches(PLAIN, card, Mixture(subjects, ("axial",)))[0]

    assert batch.sources.shape == batch.truth.shape == (1, 1, 16, 20)
    assert (batch.sources[0, 0, :2] == -1).all()
    assert (batch.truth[0, 0, :, :2] == -1).all()


def test_one_side_alone_is_not_enough(card):
    mixture = Mixture([subject(card, 1, 3, 0), subject(card, 2, 3, 0)], ("axial",))
    with pytest.raises(VolumeError, match="no axial slice of T2"):
        UnpairedBatches(PLAIN, card, mixture)


def test_a_subject_for_training_never_shows_both_side_by_side(card):
    one = subject(card, 1, 2, 3)

    shown = [one.draw("axial", index, None) for index in one.indices("axial")]

    assert [s.present.tolist() for s in shown] == [[True, False]] * 2 + [
        [False, True]
    ] * 3
    assert (shown[0].images[1] == -1).all()
    assert round(100 * float(shown[4].truth[1, 0, 1])) == 2
    with pytest.raises(IndexError):
        one.draw("axial", 5, None)


def unpaired_job(studies=(), **data) -> TrainJob:
    from napari_medsynth.training import NetworkConfig

    options = {"width": 4, "n_blocks": 1, "transformer_blocks": []}
    network = NetworkConfig(options=options, inputs=("T1",), outputs=("T2",))
    return TrainJob(
        id="tiny",
        title="Tiny",
        network=network,
        data=DataConfig(studies=tuple(studies), pairing="unpaired", **data),
        learn=replace(PLAIN, batch_size=1),
    )


def test_subjects_with_one_contrast_count(card, write_subject):
    studies = [
        write_subject("ann", ("T1",)),
        write_subject("bob", ("T2",)),
        write_subject("cia", ("T1", "T2")),
        write_subject("dan", ("T1", "T2")),
        write_subject("eve", ("FLAIR",)),
    ]
    job = unpaired_job(studies)

    train_on, held_out, notes = gather(job, card)
    batches = batches_of(job, card, mixture_of(job, card, train_on), batch_size=1)

    assert len(held_out) == 1
    assert held_out[0].name in ("cia", "dan")  # only they can be measured
    assert {s.name for s in train_on} == {"ann", "bob", "cia", "dan"} - {
        held_out[0].name
    }
    assert "eve" in notes[0].text
    assert held_out[0].draw("axial", 3, None).present.all()
    assert batches[0].sources.shape == batches[0].truth.shape


def test_a_folder_of_each_contrast_holds_many_persons(card, tmp_path, write_subject):
    for contrast, names in (("T1", "abc"), ("T2", "xyz")):
        for name in names:
            study = write_subject(name, (contrast,), folder=tmp_path / "files")
            place = tmp_path / "data" / contrast / f"{name}{name}.nii.gz"
            place.parent.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.ReadImage(study[contrast]), str(place))
    job = unpaired_job(folder=str(tmp_path / "data"))

    train_on, held_out, notes = gather(job, card)

    assert len(train_on) == 6
    assert not held_out
    assert not notes
    assert sum(s.sides[0] is not None for s in train_on) == 3


def test_only_cycle_learns_from_unpaired_scans():
    job = unpaired_job([{"T1": "a.nii"}])
    with pytest.raises(CardError, match="choose objective cycle, or pairing paired"):
        replace(job, learn=replace(PLAIN, objective="gan"))


def test_simulated_sources_and_targets_are_of_two_scans(card, brick):
    job = unpaired_job(simulated_share=1.0, n_anatomies=1, n_lesions=0)

    batches = batches_of(job, card, mixture_of(job, card, []), batch_size=2)

    batch = batches[3]
    assert (batch.sources == batches[3].sources).all()
    shows = [(side > -0.9).float().mean() for side in (batch.sources, batch.truth)]
    assert min(shows) > 0.05
    assert shows[0] != shows[1]
