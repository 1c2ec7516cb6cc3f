"""The manifest: valid, complete, and every command can be imported."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_medsynth

FILE = Path(napari_medsynth.__file__).with_name("napari.yaml")


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(FILE)


def test_manifest_is_valid_for_npe2_0_9(manifest):
    manifest.validate_imports()
    assert manifest.name == "napari-medsynth"
    # added in npe2 0.10; 0.9 would refuse the whole plugin
    assert "default_dock_area" not in FILE.read_text()
    assert "tabify" not in FILE.read_text()


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


@pytest.mark.parametrize(
    "name",
    ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.hdr", "a.mgz", "a.dcm", "IM0001"],
)
def test_reader_claims_medical_files(manifest, name):
    (reader,) = manifest.contributions.readers
    assert any(Path(name).match(pattern) for pattern in reader.filename_patterns)
    assert reader.accepts_directories


def test_reader_does_not_claim_everything(manifest):
    (reader,) = manifest.contributions.readers
    for name in ("notes.txt", "table.csv", "labels.zarr", "IMPORTANT"):
        assert not any(Path(name).match(p) for p in reader.filename_patterns)


def test_docks_are_in_the_menus(manifest):
    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names[:2] == ["Synthesize", "Fine-tune"]
    assert {"Compare", "Attention"} <= set(names)
    menus = manifest.contributions.menus
    items = [item.command for menu in menus.values() for item in menu]
    commands = [widget.command for widget in manifest.contributions.widgets]
    assert sorted(items) == sorted(commands)


def test_defaults_of_the_preferences_are_among_their_choices(manifest):
    for section in manifest.contributions.configurations.values():
        for setting in section.properties.values():
            assert setting.type != "number"  # small floats show as 0.00
            if setting.enum:
                assert setting.default in setting.enum


def test_preferences_are_kept_by_napari(plugin_settings, npe2pm):
    from napari_medsynth.widgets._preferences import Preferences

    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(FILE)):
        first = Preferences()
        assert (first.device, first.precision) == ("auto", "auto")
        assert first.live_preview is False
        assert first.results_folder == ""

        first.keep(device="cpu", precision="fp32", live_preview=True)
        again = Preferences()
        heard = []

        class Listener:
            def hear(self, event=None):
                heard.append(again.device)

        listener = Listener()
        again.on_change(listener.hear)
        first.keep(device="auto", precision="fp32", live_preview=True)
        assert heard == ["auto"]
        again.off_change(listener.hear)
        first.keep(device="cpu", precision="fp32", live_preview=True)
        assert heard == ["auto"]

    assert (again.device, again.precision) == ("cpu", "fp32")
    assert again.live_preview is True


def test_preferences_have_values_where_napari_does_not_know_the_plugin(
    plugin_settings, npe2pm
):
    from napari_medsynth.widgets._preferences import Preferences

    preferences = Preferences()
    preferences.keep(device="cpu", precision="fp32", live_preview=True)

    assert preferences.device == "auto"
    assert not preferences.apply_home()
