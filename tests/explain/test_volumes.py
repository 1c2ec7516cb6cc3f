"""Maps of many slices."""

import numpy as np
import pytest

from napari_medsynth.engine.prepared import prepare_study
from napari_medsynth.errors import EngineError
from napari_medsynth.explain import map_volume


def last_of(steps):
    done = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as stop:
            return done, stop.value


def numbered(record, network):
    """Give a map that says of which slice it is."""
    assert network.card is record.prepared.card
    return np.full(record.grid, record.index + 1, np.float32)


def test_every_slice_gets_its_map(prepared, network):
    done, volume = last_of(map_volume(prepared, network, numbered, (1, 2, 4)))
    assert done == [1, 2, 3]
    assert volume.data.shape == (1, 4, 3, 4)
    np.testing.assert_array_equal(volume.data[0, :, 0, 0], [2, 3, 0, 5])
    assert volume.origin[0] == 2.0 + 3.0  # slice 1 is 3 mm up


def test_empty_slices_are_left_out(pair, card, network):
    for volume in pair.volumes.values():
        volume.data[:, 2] = 0
    prepared = prepare_study(pair, card)
    steps = map_volume(prepared, network, numbered, (1, 2, 3), name="rollout")
    _, volume = last_of(steps)
    np.testing.assert_array_equal(volume.data[0, :, 0, 0], [2, 0, 4])
    assert volume.metadata["attention"] == "rollout"


def test_nothing_but_empty_slices_is_refused(pair, card, network):
    for volume in pair.volumes.values():
        volume.data[:, 2] = 0
    prepared = prepare_study(pair, card)
    with pytest.raises(EngineError, match="every slice is empty"):
        last_of(map_volume(prepared, network, numbered, (2,)))
