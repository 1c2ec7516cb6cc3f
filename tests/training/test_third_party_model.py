"""The example of a model from outside: listed, built, trained, as its README says."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from napari_medsynth.catalogue import (
    build_model,
    get_card,
    list_cards,
    origin_of,
    read_pack,
)
from napari_medsynth.catalogue.providers import provided_cards
from napari_medsynth.training import TrainConfig, job_from_card
from napari_medsynth.training.card import fresh_card
from napari_medsynth.training.check_recipe import check_recipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "third-party-model"
TINY = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "patch_size": 16,
    "device": "cpu",
    "precision": "fp32",
    "n_threads": 1,
}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make it look installed: its source on the path, its entry point beside it."""
    if not EXAMPLE.is_dir():
        pytest.skip("the tests do not lie in a checkout")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "medsynth_dncnn-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n"
    )
    ((group, points),) = project["entry-points"].items()
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path / "home"))
    provided_cards.cache_clear()
    yield "dncnn-mr"
    provided_cards.cache_clear()
    for name in [one for one in sys.modules if one.startswith("medsynth_dncnn")]:
        del sys.modules[name]


def test_card_is_listed_with_the_others(installed):
    card = get_card(installed)

    assert card in list_cards("denoising")
    assert origin_of(installed) == "medsynth-dncnn"
    assert "medsynth_dncnn.network" not in sys.modules  # listing imports no torch


def test_network_is_what_the_card_says(installed):
    card = get_card(installed)
    torch.manual_seed(0)

    network = build_model(card).eval()

    assert sum(p.numel() for p in network.parameters()) == card.parameters
    image = 2 * torch.rand(1, 1, 24, 20) - 1
    with torch.no_grad():
        torch.nn.init.zeros_(network.noise[-1].weight)
        torch.testing.assert_close(network(image), image)  # no noise, nothing changes
        torch.nn.init.constant_(network.noise[-1].bias, 0.1)
        torch.testing.assert_close(network(image), image - 0.2)  # of [0, 1]


def test_recipe_is_one_of_the_training(installed):
    job = job_from_card(installed, id="mine", title="Mine", folder="scans")

    check_recipe(job.learn, fresh_card(job, job.network))
    assert isinstance(job.learn, TrainConfig)
    assert (job.learn.l2_weight, job.learn.batch_size) == (1.0, 128)


def test_it_can_be_trained(installed, write_subject, run_job):
    studies = [write_subject(name, ("image",)) for name in ("ann", "bob")]
    job = job_from_card(
        installed, id="mine", title="Mine", studies=studies, changes=TINY
    )
    small = {**job.network.options, "width": 4, "depth": 4}
    job = replace(job, network=replace(job.network, options=small))

    _, done = run_job(job)

    pack = read_pack(done.pack)
    assert done.reason == "finished"
    assert pack.card.factory == "medsynth_dncnn.network:DnCNN"
    assert pack.card.is_restoration
    assert pack.weights()["noise.2.weight"].shape == (4, 4, 3, 3)


@pytest.mark.slow
def test_wheel_has_the_card_and_the_entry_point(tmp_path):
    if find_spec("hatchling") is None or find_spec("build") is None:
        pytest.skip("build and hatchling are not installed: pip install --group test")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    subprocess.run(
        [*command, tmp_path, EXAMPLE], cwd=tmp_path, check=True, capture_output=True
    )

    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    assert "medsynth_dncnn/dncnn-mr.toml" in names
    (points,) = [name for name in names if name.endswith("entry_points.txt")]
    assert b"napari_medsynth.providers" in ZipFile(wheel).read(points)
