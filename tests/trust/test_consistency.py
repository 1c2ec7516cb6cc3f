"""Sources made back from a synthesis, for models that are known."""

from dataclasses import replace

import numpy as np
import pytest

from napari_medsynth.engine import fit_normalisation
from napari_medsynth.errors import CardError
from napari_medsynth.io import Study
from napari_medsynth.trust.consistency import check_consistency
from napari_medsynth.trust.site import Row, SelfTest

from .conftest import Mixer

COPY_FLAIR = [[0, 0, 0, 1]] * 4


@pytest.fixture
def synthesis(quad):
    """A FLAIR that is T1 but for one bright spot on slice 1."""
    array = quad["T1"].data.copy()
    array[0, 1, 10:13, 8:11] = 900.0
    return quad["FLAIR"].with_data(array, metadata={"synthetic": True})


def test_disagreement_is_where_the_synthesis_departs(
    quad, without, card, synthesis, last_of
):
    study = without(quad, "FLAIR")

    found, steps = last_of(
        check_consistency(study, card, synthesis, model=Mixer(COPY_FLAIR))
    )

    t1 = found.agreements["T1"].disagreement
    scaled = [
        (fit_normalisation(a, {"kind": "percentile"}).forward(a) + 1) / 2
        for a in (synthesis.data, quad["T1"].data)
    ]
    np.testing.assert_allclose(t1.data, scaled[0] - scaled[1], atol=2e-3)
    assert np.abs(t1.data[0, 1, 10:13, 8:11]).max() > 0.3
    elsewhere = t1.data.copy()
    elsewhere[0, 1, 10:13, 8:11] = 0
    assert np.abs(elsewhere).max() < 0.02
    assert (t1.origin, t1.shape) == (synthesis.origin, synthesis.shape)
    assert (t1.modality, t1.metadata["trust"]) == ("", "disagreement")
    assert t1.is_synthetic  # so that no reader takes it for a scan
    assert set(found.agreements) == {"T1", "T2", "PD"}
    assert found.agreements["T1"].scores.psnr > found.agreements["T2"].scores.psnr + 5
    assert steps[-1].done == steps[-1].total == 3


def test_perfect_synthesis_agrees(quad, card, last_of):
    copy = quad["FLAIR"].with_data(2 * quad["T1"].data)
    study = Study({"T1": quad["T1"]})

    found, _ = last_of(check_consistency(study, card, copy, model=Mixer(COPY_FLAIR)))

    assert found.agreements["T1"].scores.psnr > 60
    assert np.abs(found.agreements["T1"].disagreement.data).max() < 1e-3


def test_only_asked_slices_are_made(quad, card, synthesis, last_of):
    study = Study({"T1": quad["T1"]})
    steps = check_consistency(
        study, card, synthesis, slices=[1], model=Mixer(COPY_FLAIR)
    )

    found, _ = last_of(steps)

    data = found.agreements["T1"].disagreement.data[0]
    assert data[1].any()
    assert not data[[0, 2]].any()


def test_sources_on_another_grid_are_moved_to_the_synthesis(
    quad, card, synthesis, last_of
):
    t1 = quad["T1"]
    cut = t1.with_data(t1.data[:, :, 1:], origin=(2.0, -2.0, 4.0))

    found, _ = last_of(
        check_consistency(Study({"T1": cut}), card, synthesis, model=Mixer(COPY_FLAIR))
    )

    disagreement = found.agreements["T1"].disagreement
    assert disagreement.shape == synthesis.shape
    elsewhere = disagreement.data.copy()
    elsewhere[0, 1, 10:13, 8:11] = 0
    assert np.abs(elsewhere).max() < 0.02


def test_what_is_usual_stands_beside_it(quad, card, synthesis, last_of):
    row = Row("a", ("FLAIR",), "T1", 21.0, 0.8, 0.05)
    site = SelfTest(card.id, card.sha256, "2026-11-20", (row,))

    found, _ = last_of(
        check_consistency(
            quad,
            card,
            synthesis,
            sources=["T1", "T2"],
            site=site,
            model=Mixer(COPY_FLAIR),
        )
    )

    assert found.agreements["T1"].usual.psnr == 21.0
    assert found.agreements["T2"].usual is None
    assert set(found.agreements) == {"T1", "T2"}


def test_model_that_cannot_go_back_is_refused(quad, card, synthesis):
    fixed = replace(card, inputs=("T1", "T2"), outputs=("FLAIR",), is_unified=False)
    unnamed = replace(synthesis, modality="")

    with pytest.raises(CardError, match="cannot make a source back of FLAIR"):
        next(check_consistency(quad, fixed, synthesis))
    with pytest.raises(CardError, match="unknown contrast"):
        next(check_consistency(quad, card, unnamed))
