"""The order in which images hang, and the grid that shows them largest."""

from types import SimpleNamespace

import pytest

from napari_medsynth.widgets._hanging import grid_shape, hang
from napari_medsynth.widgets._roles import Role, Shown


def pane(role, modality="", model=""):
    return Shown(SimpleNamespace(name=f"{role}"), role, modality, model)


def test_sources_hang_as_radiologists_expect():
    names = ["CT", "FLAIR", "PD", "T2", "T1ce", "T1"]
    hung = hang(pane(Role.SOURCE, name) for name in names)
    assert [p.modality for p in hung] == ["T1", "T1ce", "T2", "PD", "FLAIR", "CT"]


def test_results_follow_model_by_model_and_the_truth_hangs_once():
    made = [
        pane(Role.ATTENTION, model="B"),
        pane(Role.DIFFERENCE, model="A"),
        pane(Role.SYNTHESIS, "FLAIR", "B"),
        pane(Role.ATTENTION, model="A"),
        pane(Role.OTHER),
        pane(Role.TRUTH, "FLAIR"),
        pane(Role.SYNTHESIS, "FLAIR", "A"),
        pane(Role.SOURCE, "T1"),
    ]
    hung = [(p.role.value, p.model) for p in hang(made)]
    assert hung == [
        ("source", ""),
        ("synthesis", "B"),
        ("truth", ""),
        ("attention", "B"),
        ("synthesis", "A"),
        ("difference", "A"),
        ("attention", "A"),
    ]


@pytest.mark.parametrize(
    ("n", "canvas", "extent", "shape"),
    [
        (1, (600, 800), (200, 200), (1, 1)),
        (2, (600, 1200), (200, 200), (1, 2)),
        (2, (1200, 600), (200, 200), (2, 1)),
        (6, (800, 1200), (200, 200), (2, 3)),
        (4, (800, 800), (50, 400), (4, 1)),
        (5, (800, 1200), (200, 200), (2, 3)),
    ],
)
def test_the_grid_shows_images_as_large_as_possible(n, canvas, extent, shape):
    assert grid_shape(n, canvas, extent) == shape
