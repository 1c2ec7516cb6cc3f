"""Official files of published networks, imported and run: the published numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from napari_medsynth.catalogue import build_model, read_pack
from napari_medsynth.engine import import_weights
from napari_medsynth.engine._read_checkpoint import canonical_state, read_state
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.blocks import set_norm_statistics

UNIT, BYTES, SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)

# Folder of golden vectors: the layout that it is read as, the title of its card, and
# what stands for -1 and 1.
SMALL = {
    "srcnn": ("SRCNN-pytorch (yjn870)", "SRCNN, 64-32 channels", UNIT),
    "edsr_baseline_x2": ("EDSR-PyTorch", "EDSR x2, 64 channels, 16 blocks", BYTES),
    "edsr_baseline_x3": ("EDSR-PyTorch", "EDSR x3, 64 channels, 16 blocks", BYTES),
    "edsr_baseline_x4": ("EDSR-PyTorch", "EDSR x4, 64 channels, 16 blocks", BYTES),
    "srgan_generator_x4": (
        "SRGAN-PyTorch (Lornatang)",
        "SRResNet x4, 64 channels, 16 blocks",
        UNIT,
    ),
    "srgan_leftthomas_x4": (
        "SRGAN (leftthomas)",
        "SRResNet x4, 64 channels, 5 blocks",
        UNIT,
    ),
    "srfbn_s_x2": ("SRFBN", "SRFBN x2, 32 channels", BYTES),
    "srfbn_s_x3": ("SRFBN", "SRFBN x3, 32 channels", BYTES),
    "srfbn_x4": ("SRFBN", "SRFBN x4, 64 channels", BYTES),
    "mdrn_x2": ("MDRN (bbbolt)", "MDRN x2, 56 channels, 8 blocks", UNIT),
    "redcnn": ("RED-CNN", "REDCNN, 96 channels", UNIT),
    "wganvgg_generator": ("WGAN-VGG", "WGANVGG, 32 channels", UNIT),
    "pix2pix_unet128_instance": (
        "pix2pix U-Net 128, instance norm",
        "pix2pix U-Net 128, instance norm, 16 channels, 7 levels",
        SIGNED,
    ),
    "pgan_resnet9_dropout": ("pGAN", "pGAN, 64 channels, 9 blocks", SIGNED),
}
LARGE = {
    "cyclegan_resnet9": (
        "CycleGAN or cGAN",
        "CycleGAN or cGAN, 64 channels, 9 blocks",
        SIGNED,
    ),
    "resnet9_batch": (
        "pix2pix ResNet",
        "pix2pix ResNet, 64 channels, 9 blocks",
        SIGNED,
    ),
    "edsr_paper_x2": ("EDSR-PyTorch", "EDSR x2, 256 channels, 32 blocks", BYTES),
    "rcan_x2": ("RCAN", "RCAN x2, 64 channels, 10 groups, 20 blocks", BYTES),
    "rcan_x4": ("RCAN", "RCAN x4, 64 channels, 10 groups, 20 blocks", BYTES),
    "rdn_a_x3": ("RDN", "RDN x3, 64 channels, 20 blocks", BYTES),
    "rdn_b_x2": ("RDN", "RDN x2, 64 channels, 16 blocks", BYTES),
    "rdn_b_x4": ("RDN", "RDN x4, 64 channels, 16 blocks", BYTES),
    "dbpn_x2": ("DBPN without residual", "DBPN x2, 64 channels", UNIT),
    "dbpn_x4": ("DBPN without residual", "DBPN x4, 64 channels", UNIT),
    "dbpn_x8": ("DBPN without residual", "DBPN x8, 64 channels", UNIT),
    "pix2pix_unet256": (
        "pix2pix U-Net 256, batch norm",
        "pix2pix U-Net 256, batch norm, 64 channels, 8 levels",
        SIGNED,
    ),
    "mmgan_unet": (
        "MM-GAN --use_tanh",
        "MM-GAN --use_tanh, 64 channels, 8 levels",
        SIGNED,
    ),
}
MMGAN = ("T1", "T1c", "T2", "FLAIR")
OPTIONS = {
    **{f"dbpn_x{scale}": {"layout": "DBPN without residual"} for scale in (2, 4, 8)},
    "mmgan_unet": {"inputs": MMGAN, "outputs": MMGAN, "layout": "tanh"},
}
CASES = [
    *(pytest.param(name, id=name) for name in SMALL),
    *(pytest.param(name, id=name, marks=pytest.mark.slow) for name in LARGE),
]


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    """Read checkpoints here: a child process takes seconds to import torch."""
    monkeypatch.setattr(
        import_weights,
        "read_checkpoint",
        lambda path: canonical_state(read_state(path)),
    )


def imported(folder, state, name="x", **options):
    """Write a .pth, import it, give the pack."""
    path = folder / f"{name}.pth"
    torch.save(state, path)
    output = folder / f"{name}.safetensors"
    return read_pack(
        import_weights.import_checkpoint(path, card_id=name, output=output, **options)
    )


def network_of(pack, card):
    """Build the network of a card with the weights of a pack."""
    network = build_model(card)
    load_weights(network, numpy_to_state(pack.weights()), name=card.title)
    set_norm_statistics(network, card.norm_statistics)
    return network.requires_grad_(False).eval()


def raw(card, norm_statistics="running"):
    """Give the card of the network as published: own range, channels and grid."""
    return replace(
        card,
        value_range=(-1.0, 1.0),
        is_rgb=False,
        scale=1,
        norm_statistics=norm_statistics,
    )


def last(output):
    return output[-1] if isinstance(output, tuple | list) else output


@pytest.mark.parametrize("name", CASES)
def test_official_file_runs_as_published(zoo_golden, tmp_path, name):
    golden, (layout, title, value_range) = zoo_golden(name), {**SMALL, **LARGE}[name]

    pack = imported(tmp_path, golden.state, **OPTIONS.get(name, {}))

    card = pack.card
    assert card.title.startswith(title)
    assert card.value_range == value_range
    assert card.training["layout"] == layout
    assert card.training["imported_from"] == "x.pth"
    assert not card.licence
    check(golden, last(network_of(pack, raw(card))(golden.arrays["x"])))
    if "y_batch_stats" in golden.arrays:
        assert card.norm_statistics == "batch"
        made = network_of(pack, raw(card, "batch"))(golden.arrays["x"])
        golden.check(made, "y_batch_stats")

    parallel = {f"module.{key}": tensor for key, tensor in golden.state.items()}
    again = imported(tmp_path, parallel, "again", **OPTIONS.get(name, {}))
    assert again.card.sha256 == card.sha256


def check(golden, made):
    outputs = golden.meta["outputs"]
    if "y_stride8" in outputs:
        golden.check(made[..., ::8, ::8], "y_stride8")
    else:
        golden.check(made, "y" if "y" in outputs else max(outputs))


@pytest.mark.parametrize("name", CASES)
def test_official_file_takes_and_gives_grey_images_of_the_program(
    zoo_golden, tmp_path, name
):
    golden = zoo_golden(name)
    pack = imported(tmp_path, golden.state, **OPTIONS.get(name, {}))
    card, seen = pack.card, golden.arrays["x"]
    low, high = card.value_range
    if not card.is_rgb:
        pytest.skip("it has no colours")
    grey = seen[:, :1]
    with torch.no_grad():
        published = last(network_of(pack, raw(card))(grey.expand(-1, 3, -1, -1)))
    expected = (published.mean(dim=1, keepdim=True) - low) * 2 / (high - low) - 1

    shown = (grey - low) * 2 / (high - low) - 1
    shown = shown.repeat_interleave(card.scale, 2).repeat_interleave(card.scale, 3)
    made = last(network_of(pack, card)(shown))

    assert made.shape == shown.shape
    size = expected.abs().max().item()
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5 * max(size, 1.0))


@pytest.mark.parametrize(
    "name",
    [
        *("srgan_sgrvinod_x4", "srgan_discriminator", "pix2pix_patchgan"),
        *("cyclegan_patchgan", "pix2pix_pixelgan"),
    ],
)
def test_files_that_cannot_be_used_say_why(zoo_golden, tmp_path, name):
    with pytest.raises(WeightsError, match=r"x.pth cannot be used: .*(critic|pickled)"):
        imported(tmp_path, zoo_golden(name).state)
