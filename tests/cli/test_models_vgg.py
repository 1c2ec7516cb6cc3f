"""``medsynth models vgg``: nothing is downloaded without being asked."""

from __future__ import annotations

import hashlib

import pytest
from typer.testing import CliRunner

from napari_medsynth.cli.app import app
from napari_medsynth.errors import WeightsError
from napari_medsynth.training import vgg_file


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the file must be; it can be had from a folder."""
    name = f"vgg19-{hashlib.sha256(b'whole').hexdigest()[:8]}.pth"
    site = tmp_path / "site"
    site.mkdir()
    (site / name).write_bytes(b"whole")
    monkeypatch.setattr(vgg_file, "SOURCE", site.as_uri() + "/")
    monkeypatch.setitem(vgg_file.FILES, "vgg19", name)
    monkeypatch.setenv("MEDSYNTH_VGG", str(tmp_path / "vgg"))
    return tmp_path / "vgg" / name


def test_it_says_where_the_file_must_be_and_fetches_nothing(place):
    result = CliRunner().invoke(app, ["models", "vgg"])

    assert isinstance(result.exception, WeightsError)
    assert str(place) in str(result.exception)
    assert not place.parent.exists()


def test_it_downloads_after_agreement_and_then_checks(place):
    first = CliRunner().invoke(app, ["models", "vgg", "vgg19", "--agree"])
    again = CliRunner().invoke(app, ["models", "vgg"])

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert place.read_bytes() == b"whole"
    assert str(place) in again.stdout.replace("\n", "")
