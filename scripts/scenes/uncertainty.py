"""The pictures of docs/how-to/trust.md on uncertainty, the site and the passport."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import napari

from napari_medsynth.io import Study, write_volume
from napari_medsynth.io.geometry import layer_tuple
from napari_medsynth.simulate import site_studies
from napari_medsynth.widgets.parts.passport_box import PassportBox
from napari_medsynth.widgets.parts.state_chip import State
from screenshots import SIZE, spin, take, wait_until

SLICE = 78
N_SUBJECTS = 10  # to learn from; one more is on the screen


def play() -> None:
    """One subject of a site on the screen, ten others in a folder."""
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)  # the picture shows the path as it was typed
        *learnt_from, shown = site_studies(N_SUBJECTS + 1)
        for number, study in enumerate(learnt_from, start=1):
            for modality, volume in study.volumes.items():
                write_volume(
                    volume, Path("site", f"{number:02d}", f"{modality}.nii.gz")
                )
        passport(shown)
        viewer, dock = trust(shown)
        how_sure(viewer, dock)
        at_this_site(viewer, dock)
        viewer.close()


def passport(study: Study) -> None:
    """T1 and T2 in each other's slot."""
    viewer = opened(study, {"T1": "T2", "T2": "T1"})
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Synthesize")
    dock.settle()
    dock.modality_table.set_state("FLAIR", State.TARGET)
    spin(2)
    (box,) = dock.findChildren(PassportBox)
    wait_until(lambda: box.rows)
    box.section.expand(animate=False)
    take(viewer, "trust-passport")
    viewer.close()


def trust(study: Study) -> tuple[napari.Viewer, object]:
    """The Trust dock with nothing but "How sure?" open."""
    viewer = opened(study)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medsynth", "Trust")
    dock.settle()
    wait_until(lambda: dock.is_ready)
    open_only(dock, "How sure?")
    wait_until(lambda: not is_busy(dock))
    return viewer, dock


def how_sure(viewer: napari.Viewer, dock: object) -> None:
    """The spread of one slice, not calibrated."""
    dock.uncertainty_box.form.run_box.run_button.click()
    wait_until(lambda: not is_busy(dock))
    take(viewer, "trust-spread")


def at_this_site(viewer: napari.Viewer, dock: object) -> None:
    """Self-test and calibration on the folder, and the interval afterwards."""
    open_only(dock, "At this site")
    site = dock.site_box
    site.subjects_box.source.choose("folder", "site")
    site.self_test_box.slices_box.setValue(4)
    site.self_test_box.run_box.run_button.click()
    wait_until(lambda: not is_busy(dock))
    site.calibration_box.step_box.setValue(16)
    site.calibration_box.run_box.run_button.click()
    wait_until(lambda: not is_busy(dock))
    take(viewer, "trust-site")
    open_only(dock, "How sure?")
    dock.uncertainty_box.form.limit_slider.setValue(45)
    wait_until(lambda: not is_busy(dock))
    take(viewer, "trust-interval")


def opened(study: Study, names: dict[str, str] | None = None) -> napari.Viewer:
    """A window with a study; `names`: contrasts that are taken for others."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    for modality, volume in study.volumes.items():
        known = (names or {}).get(modality, modality)
        taken_for = volume.with_data(volume.data, modality=known, name=known)
        data, options, _ = layer_tuple(taken_for)
        viewer.add_image(data, **options)
    viewer.dims.set_current_step(0, SLICE)
    return viewer


def open_only(dock: object, wanted: str) -> None:
    for title, section in dock.sections.items():
        if title == wanted:
            section.expand(animate=False)
        else:
            section.collapse(animate=False)
    spin(0.5)


def is_busy(dock: object) -> bool:
    return any(box.is_busy for box in dock.boxes().values())
