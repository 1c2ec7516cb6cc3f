"""Which layers are compared."""

import numpy as np
import pytest

from napari_medsynth.widgets._roles import Role
from napari_medsynth.widgets.parts.pane_list import PaneList


@pytest.fixture
def panes(qtbot):
    widget = PaneList()
    qtbot.addWidget(widget)
    return widget


def made(viewer, modality, **known):
    facts = {"synthetic": True, "modality": modality, **known}
    facts.setdefault("provenance", {"model": "m", "model_title": "Model M"})
    return viewer.add_image(
        np.zeros((6, 40, 36)),
        name=f"{modality}{known.get('role', '')} made",
        contrast_limits=(0, 1),
        metadata={"medsynth": facts},
    )


def names(shown):
    return [pane.layer.name for pane in shown]


def test_panes_are_listed_in_hanging_order_with_their_roles(viewer, add, panes):
    add(viewer, "FLAIR", "T2", "T1")
    made(viewer, "FLAIR")
    viewer.add_labels(np.zeros((6, 40, 36), int))
    panes.set_layers(viewer.layers)

    assert names(panes.chosen()) == ["T1", "T2", "FLAIR made", "FLAIR"]
    texts = [panes.list.item(i).text() for i in range(panes.list.count())]
    assert texts[0].startswith("T1 ") and texts[0].endswith("source")
    assert texts[2].endswith("synthesis") and texts[3].endswith("truth")
    assert panes.hint.isHidden()


def test_what_was_unchecked_stays_unchecked(viewer, add, panes, qtbot):
    first, _second = add(viewer, "T1", "T2")
    panes.set_layers(viewer.layers)
    with qtbot.waitSignal(panes.changed):
        panes.set_checked(first, False)
    add(viewer, "PD")
    panes.set_layers(viewer.layers)
    assert names(panes.chosen()) == ["T2", "PD"]


def test_trust_maps_wait_to_be_asked_for(viewer, add, panes):
    add(viewer, "T1")
    trust = made(viewer, "", role="trust")
    made(viewer, "", role="attention")
    panes.set_layers(viewer.layers)
    assert [p.role for p in panes.chosen()] == [Role.SOURCE, Role.ATTENTION]
    panes.set_checked(trust, True)
    assert Role.TRUST in [p.role for p in panes.chosen()]


def test_the_anatomy_under_maps_can_be_chosen_and_is_kept(viewer, add, panes):
    t1, t2 = add(viewer, "T1", "T2")
    panes.set_layers(viewer.layers)
    assert panes.anatomy_combo.isHidden()  # no map, nothing to lay it over
    made(viewer, "", role="attention")
    panes.set_layers(viewer.layers)
    assert not panes.anatomy_combo.isHidden()
    assert panes.anatomy() == t1
    panes.anatomy_combo.setCurrentIndex(1)
    add(viewer, "PD")
    panes.set_layers(viewer.layers)
    assert panes.anatomy() == t2


def test_without_images_it_says_what_to_open(panes):
    assert not panes.hint.isHidden()
    assert panes.chosen() == []
    assert panes.anatomy() is None
