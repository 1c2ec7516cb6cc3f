"""Features of a VGG: what is compared, which file it needs, and when it refuses."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.testing import assert_close

from napari_medsynth.errors import WeightsError
from napari_medsynth.models.vgg import VGGFeatures
from napari_medsynth.training import TrainConfig, vgg_file
from napari_medsynth.training.check_recipe import check_recipe
from napari_medsynth.training.data.batch import Batch
from napari_medsynth.training.finetune import finetune
from napari_medsynth.training.objectives import make_objective
from napari_medsynth.training.objectives.losses import (
    count,
    sharpness_error,
    supervised_losses,
)
from napari_medsynth.training.objectives.perceptual import (
    Features,
    feature_error,
    make_features,
)
from training.tiny import card_of, images, uneven_batch

CARD = card_of(("T1",), ("T2",))
PERCEPTUAL = TrainConfig(
    perceptual_weight=0.5,
    perceptual_layer="vgg16-relu2_2",
    gradient_weight=0,
    reconstruction_weight=0,
)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.fixture
def vgg16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A file like the published one: seeded weights, and a classifier."""
    torch.manual_seed(3)
    state = dict(VGGFeatures("vgg16-relu2_2").state_dict())
    state["features.10.weight"] = torch.zeros(2, 2)
    state["classifier.6.bias"] = torch.zeros(1000)
    whole = tmp_path / "some.pth"
    torch.save(state, whole)
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    name = f"vgg16-{digest[:8]}.pth"
    whole.rename(tmp_path / name)
    monkeypatch.setenv("MEDSYNTH_VGG", str(tmp_path))
    monkeypatch.setitem(vgg_file.FILES, "vgg16", name)
    return state


@pytest.mark.parametrize(
    ("layer", "n_layers", "channels", "side", "last"),
    [
        ("vgg16-relu2_2", 9, 128, 8, nn.ReLU),
        ("vgg19-conv2_2", 8, 128, 8, nn.Conv2d),
        ("vgg19-conv5_4", 35, 512, 1, nn.Conv2d),
        ("vgg19-relu5_4", 36, 512, 1, nn.ReLU),
    ],
)
def test_layers_are_numbered_as_in_the_published_files(
    layer, n_layers, channels, side, last
):
    with torch.device("meta"):
        vgg = VGGFeatures(layer)
        shape = vgg(torch.zeros(1, 3, 16, 16)).shape

    assert len(vgg.features) == n_layers
    assert type(vgg.features[-1]) is last
    assert shape == (1, channels, side, side)
    assert {"features.0.weight", "features.5.bias", "features.7.weight"} <= set(
        vgg.state_dict()
    )


def test_features_are_those_of_the_files_weights(vgg16):
    features = make_features(PERCEPTUAL, CARD, torch.device("cpu"))
    image = images(2, 2)

    made = features(image)

    mean, spread = (
        torch.tensor(v).view(3, 1, 1)
        for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    x = (0.5 * (image[1, 1] + 1).expand(3, -1, -1) - mean) / spread
    for i in (0, 2, 5, 7):
        weight, bias = (vgg16[f"features.{i}.{part}"] for part in ("weight", "bias"))
        x = nn.functional.conv2d(x, weight, bias, padding=1).relu()
        x = nn.functional.max_pool2d(x, 2) if i == 2 else x
    assert made.shape == (2, 2, 128, 16, 16)
    assert_close(made[1, 1], x, atol=1e-5, rtol=1e-4)
    assert not any(p.requires_grad for p in features.parameters())


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0)])
def test_without_imagenet_images_are_shown_in_the_networks_range(low, high):
    shown = []

    class Seen(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            shown.append(image)
            return image

    Features(Seen(), is_imagenet=False, low=low, high=high)(images(1, 1))

    expected = low + (images(1, 1) + 1) / 2 * (high - low)
    assert_close(shown[0], expected.expand(1, 3, -1, -1))


def test_errors_are_means_of_each_channel_of_the_whole_batch():
    features = Features(nn.Identity(), is_imagenet=False)
    truth = images(3, 2)
    off = torch.arange(6.0).view(3, 2) / 10

    l1, l2 = (
        feature_error(features, truth + off[..., None, None], truth, kind=kind)
        for kind in ("l1", "l2")
    )

    assert_close(l1, off, atol=1e-6, rtol=1e-5)
    assert_close(l2, off**2, atol=1e-6, rtol=1e-5)


def test_the_perceptual_loss_has_a_gradient_and_its_weight(vgg16, fabric):
    features = make_features(PERCEPTUAL, CARD, fabric.device)
    batch = uneven_batch()
    output = (0.5 * batch.truth).requires_grad_()
    config = replace(PERCEPTUAL, l1_weight=0.0)

    losses = supervised_losses(output, batch, config, count(batch, fabric), features)
    losses["total"].backward()

    assert losses["perceptual"] > 0
    assert_close(losses["total"], 0.5 * losses["perceptual"])
    moved = output.grad.abs().sum(dim=(2, 3)) > 0
    assert (moved == batch.wanted).all()  # every sample, and only what is wanted


@pytest.mark.parametrize("kind", ["supervised", "gan"])
def test_a_network_learns_from_features_alone(vgg16, fabric, kind):
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    config = replace(
        PERCEPTUAL,
        objective=kind,
        l1_weight=0.0,
        perceptual_weight=100.0,
        adversarial_weight=0.0,
        critic_layers=1,
        learning_rate=2e-2,
        clip=0,
    )
    objective = make_objective(config, network, fabric, card=CARD)
    wanted = torch.ones(2, 1, dtype=torch.bool)
    batch = Batch(images(2, 1), -0.7 * images(2, 1), given=~wanted, wanted=wanted)

    found = [objective.step(batch) for _ in range(30)]

    assert found[-1]["perceptual"] < 0.5 * found[0]["perceptual"]
    assert not any("vgg" in key for key in objective.state_dict())


def test_several_outputs_are_summed_and_the_last_one_is_looked_at(vgg16, fabric):
    features = make_features(PERCEPTUAL, CARD, fabric.device)
    batch = uneven_batch()
    counts = count(batch, fabric)
    outputs = (batch.truth + 0.3, batch.truth + 0.1)

    def losses(output):
        return supervised_losses(output, batch, PERCEPTUAL, counts, features)

    both, last = losses(outputs), losses(outputs[-1])
    assert both["l1"].item() == pytest.approx(0.4)
    assert_close(both["perceptual"], last["perceptual"])
    assert both["total"].item() == pytest.approx(
        0.4 + 0.5 * last["perceptual"].item(), rel=1e-5
    )


def test_sharpness_is_the_error_of_the_laplacian():
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    bowl = (x**2 + 0.5 * y**2 + 3 * x)[None, None]  # its Laplacian is 2 + 1

    assert sharpness_error(bowl, torch.zeros_like(bowl)).item() == pytest.approx(3)
    assert sharpness_error(bowl + 5, bowl).item() == pytest.approx(0, abs=1e-5)


def test_sharpness_counts_with_its_weight(fabric):
    batch = uneven_batch()
    config = TrainConfig(
        l1_weight=0, gradient_weight=0, reconstruction_weight=0, sharpness_weight=2.0
    )

    losses = supervised_losses(0 * batch.truth, batch, config, count(batch, fabric))

    assert set(losses) == {"total", "l1", "sharpness"}
    assert_close(losses["total"], 2 * losses["sharpness"])


def test_without_the_file_a_recipe_refuses_before_anything_is_done(
    tmp_path, monkeypatch, fabric
):
    monkeypatch.delenv("MEDSYNTH_VGG", raising=False)
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path))
    network = nn.Conv2d(1, 1, 1)

    for refuse in (
        lambda: check_recipe(PERCEPTUAL, CARD),
        lambda: make_objective(PERCEPTUAL, network, fabric, card=CARD),
    ):
        with pytest.raises(WeightsError, match=r"vgg16-397923af\.pth.*--agree"):
            refuse()
    place = tmp_path / "vgg" / "vgg16-397923af.pth"
    assert vgg_file.vgg_path("vgg16") == place
    assert not place.parent.exists()


def test_a_run_refuses_before_subjects_are_read(job, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDSYNTH_VGG", raising=False)
    monkeypatch.setenv("MEDSYNTH_HOME", str(tmp_path))
    job = replace(job, learn=replace(job.learn, perceptual_weight=1.0))

    with pytest.raises(WeightsError, match="perceptual_weight needs the published"):
        next(finetune(job, folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_another_file_of_that_name_is_refused(tmp_path, monkeypatch, fabric):
    place = tmp_path / "vgg16-397923af.pth"
    torch.save(VGGFeatures("vgg16-relu2_2").state_dict(), place)
    monkeypatch.setenv("MEDSYNTH_VGG", str(place))

    with pytest.raises(WeightsError, match=r"sha256 begins with .*, not 397923af"):
        make_features(PERCEPTUAL, CARD, fabric.device)


def test_a_file_without_vggs_layers_is_refused(vgg16, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    torch.save({"features.0.weight": torch.zeros(1)}, other / "x")
    digest = hashlib.sha256((other / "x").read_bytes()).hexdigest()
    name = f"vgg16-{digest[:8]}.pth"
    (other / "x").rename(other / name)
    monkeypatch.setitem(vgg_file.FILES, "vgg16", name)
    monkeypatch.setenv("MEDSYNTH_VGG", str(other))

    with pytest.raises(WeightsError, match="does not hold the weights of VGG16"):
        make_features(PERCEPTUAL, CARD, torch.device("cpu"))


def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> Path:
    """Let downloads come from a folder, and go to another one."""
    name = f"vgg16-{hashlib.sha256(b'whole').hexdigest()[:8]}.pth"
    site = tmp_path / "site"
    site.mkdir()
    (site / name).write_bytes(data)
    monkeypatch.setattr(vgg_file, "SOURCE", site.as_uri() + "/")
    monkeypatch.setitem(vgg_file.FILES, "vgg16", name)
    monkeypatch.setenv("MEDSYNTH_VGG", str(tmp_path / "vgg"))
    return tmp_path / "vgg" / name


def test_a_download_has_its_name_when_it_is_whole(tmp_path, monkeypatch):
    place, told = served(tmp_path, monkeypatch, b"whole"), []

    assert vgg_file.download_vgg("vgg16", lambda *n: told.append(n)) == place

    assert place.read_bytes() == b"whole"
    assert told == [(5, 5)]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_download_that_fails_leaves_nothing(tmp_path, monkeypatch, is_there):
    place = served(tmp_path, monkeypatch, b"half")
    if not is_there:
        (tmp_path / "site" / place.name).unlink()

    with pytest.raises(WeightsError, match=r"is not the published|not be fetched"):
        vgg_file.download_vgg("vgg16")

    assert list(place.parent.iterdir()) == []
