"""How published files spell the keys of our networks: our key to theirs, by hand.

This is the other way round of what the layouts of `napari_medsynth.models` do, and is
written from the published codes, not from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

Rules = tuple[tuple[str, str], ...]
RGB = {"in_channels": 3, "out_channels": 3}


@dataclass(frozen=True)
class Published:
    """A tiny network, and how files of one layout spell its weights.

    Parameters
    ----------
    factory : str
        "module:Class" of ``napari_medsynth.models``.
    options : mapping
        Of the factory; all of them can be read from the file.
    rules : tuple of (str, str)
        Regular expressions applied to each of our keys, in this order.
    value_range : tuple of float
        That the authors' images had.
    images : mapping
        inputs and outputs, where the file's card cannot have any.
    side : int
        Of a small image that it takes.
    extra : tuple of str
        Statistics that old files have where we have none.
    """

    factory: str
    options: Mapping[str, Any]
    rules: Rules
    value_range: tuple[float, float]
    images: Mapping[str, Any] = field(default_factory=dict)
    side: int = 8
    extra: tuple[str, ...] = ()

    def network(self, seed: int = 0, **options: Any) -> nn.Module:
        """Build it, its statistics and slopes no longer those of the start."""
        torch.manual_seed(seed)
        module, _, name = self.factory.partition(":")
        made = import_module(f"napari_medsynth.models.{module}")
        network = getattr(made, name)(**{**self.options, **options}).eval()
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif key.endswith(("running_mean", "bias")) and "_mean." not in key:
                tensor.normal_(std=0.1)
        return network

    def state(self, network: nn.Module) -> dict[str, Tensor]:
        """Spell its weights as published."""
        state = {self._name(key): v for key, v in network.state_dict().items()}
        return {**state, **{key: torch.zeros(2) for key in self.extra}}

    def _name(self, key: str) -> str:
        for pattern, replacement in self.rules:
            key = re.sub(pattern, replacement, key)
        return key


def numbered(pattern: str, new: str, *, up_to: int, plus: int = 1) -> Rules:
    """Give rules that count from another number; ``#`` stands for it in both."""
    return tuple(
        (pattern.replace("#", str(k)), new.replace("#", str(k + plus)))
        for k in range(up_to)
    )


EDSR = {**RGB, "scale": 2, "width": 4, "n_blocks": 2}
RCAN = {**RGB, "scale": 2, "width": 4, "n_groups": 2, "n_blocks": 3, "reduction": 2}
RDN = {**RGB, "scale": 2, "width": 4, "growth": 3, "n_blocks": 2, "n_layers": 3}
SRGAN = {**RGB, "scale": 4, "width": 4}

_EDSR = (
    (r"^body\.1\.(weight|bias)$", r"body.2.\1"),
    (r"^body\.0\.(\d+)\.body\.", r"body.\1.body."),
)
_BASICSR = (
    (r"^head\.0\.", "conv_first."),
    (r"^body\.1\.(weight|bias)$", r"conv_after_body.\1"),
    (r"^tail\.0\.", "upsample."),
    (r"^tail\.1\.", "conv_last."),
)
_RCAN = (
    (r"\.gate\.1\.", ".conv_du.0."),
    (r"\.gate\.3\.", ".conv_du.2."),
    (r"^body\.1\.(weight|bias)$", r"body.2.\1"),
    (r"^body\.0\.(\d+)\.body\.1\.(weight|bias)$", r"body.\1.body.3.\2"),
    (r"^body\.0\.(\d+)\.body\.0\.(\d+)\.", r"body.\1.body.\2."),
)
_RCAN_BASICSR = (
    *_BASICSR,
    (r"\.gate\.", ".attention."),
    (r"^body\.0\.(\d+)\.body\.1\.(weight|bias)$", r"body.\1.conv.\2"),
    (r"^body\.0\.(\d+)\.body\.0\.(\d+)\.body\.", r"body.\1.residual_group.\2.rcab."),
)
_RDN = (
    (r"^head\.0\.", "SFENet1."),
    (r"^body\.0\.", "SFENet2."),
    (
        r"^body\.1\.stages\.(\d+)\.body\.0\.(\d+)\.body\.0\.",
        r"RDBs.\1.convs.\2.conv.0.",
    ),
    (r"^body\.1\.stages\.(\d+)\.body\.1\.", r"RDBs.\1.LFF."),
    (r"^body\.1\.fuse\.", "GFF."),
    (r"^tail\.", "UPNet."),
)
_YJN870 = (
    (r"^head\.0\.", "sfe1."),
    (r"^body\.0\.", "sfe2."),
    (r"^body\.1\.stages\.(\d+)\.body\.0\.(\d+)\.body\.0\.", r"rdbs.\1.layers.\2.conv."),
    (r"^body\.1\.stages\.(\d+)\.body\.1\.", r"rdbs.\1.lff."),
    (r"^body\.1\.fuse\.", "gff."),
)
_LORNATANG = (
    (r"^head\.", "conv1."),
    (r"^body\.0\.(\d+)\.body\.", r"trunk.\1.rcb."),
    (r"^body\.1\.", "conv2.0."),
    (r"^body\.2\.", "conv2.1."),
    (r"^tail\.0\.([02])\.", r"upsampling.0.upsample_block.\1."),
    (r"^tail\.0\.3\.", "upsampling.1.upsample_block.0."),
    (r"^tail\.0\.5\.", "upsampling.1.upsample_block.2."),
    (r"^tail\.1\.", "conv3."),
)
_LEFTTHOMAS = (
    (r"^head\.", "block1."),
    *numbered(r"^body\.0\.#\.body\.", "block#.", up_to=5, plus=2),
    (r"^(block[2-6])\.0\.", r"\1.conv1."),
    (r"^(block[2-6])\.1\.", r"\1.bn1."),
    (r"^(block[2-6])\.2\.", r"\1.prelu."),
    (r"^(block[2-6])\.3\.", r"\1.conv2."),
    (r"^(block[2-6])\.4\.", r"\1.bn2."),
    (r"^body\.1\.", "block7.0."),
    (r"^body\.2\.", "block7.1."),
    (r"^tail\.0\.0\.", "block8.0.conv."),
    (r"^tail\.0\.2\.", "block8.0.prelu."),
    (r"^tail\.0\.3\.", "block8.1.conv."),
    (r"^tail\.0\.5\.", "block8.1.prelu."),
    (r"^tail\.1\.", "block8.2."),
)
_UNET = ((r"\.body\.", ".model."), (r"^model\.", "model.model."))
_RESNET = ((r"\.body\.", ".conv_block."),)
_MMGAN = ((r"^(down|up)\.(\d+)\.", r"\1\2.model."),)
_DBPN = (
    (r"^head\.0\.0\.", "feat0.conv."),
    (r"^head\.0\.1\.", "feat0.act."),
    (r"^head\.1\.0\.", "feat1.conv."),
    (r"^head\.1\.1\.", "feat1.act."),
    (r"^tail\.", "output_conv.conv."),
    (r"^steps\.", ""),
    (r"\.squeeze\.0\.", ".conv.conv."),
    (r"\.squeeze\.1\.", ".conv.act."),
    (r"^(up\d)\.(there|error)\.0\.", r"\1.\2.deconv."),
    (r"^(down\d)\.back\.0\.", r"\1.back.deconv."),
    (r"\.(there|back|error)\.0\.", r".\1.conv."),
    (r"\.(there|back|error)\.1\.", r".\1.act."),
    (r"^(up|down)(\d)\.there\.", r"\1\2.\1_conv1."),
    (r"^(up|down)(\d)\.back\.", r"\1\2.\1_conv2."),
    (r"^(up|down)(\d)\.error\.", r"\1\2.\1_conv3."),
)
_SRFBN = (
    (r"^head\.0\.", "conv_in."),
    (r"^head\.1\.", "feat_in."),
    (r"^block\.squeeze\.", "block.compress_in."),
    (r"^block\.fuse\.", "block.compress_out."),
    (r"^block\.(up|down)s\.", r"block.\1Blocks."),
    (r"^block\.(up|down)_squeezes\.", r"block.\1tranBlocks."),
    (r"^up\.", "out."),
    (r"^tail\.", "conv_out.0."),
)
_REDCNN = tuple(
    (rf"^{ours}\.(weight|bias)$", rf"{theirs}.\1")
    for ours, theirs in {
        r"body\.0\.body\.0": "conv1",
        r"body\.0\.body\.2": "conv2",
        r"body\.0\.body\.4\.body\.0": "conv3",
        r"body\.0\.body\.4\.body\.2": "conv4",
        r"body\.0\.body\.4\.body\.4\.body\.0": "conv5",
        r"body\.0\.body\.4\.body\.4\.body\.2": "tconv1",
        r"body\.0\.body\.4\.body\.6": "tconv2",
        r"body\.0\.body\.4\.body\.8": "tconv3",
        r"body\.0\.body\.6": "tconv4",
        r"body\.0\.body\.8": "tconv5",
    }.items()
)
_PAIRS = r"(fuse\.2|refine\.\d|last|halve\.\d|mix\.\d\.[02])"
_MDRN = (
    (rf"\.{_PAIRS}\.0\.", r".\1.pw."),
    (rf"\.{_PAIRS}\.1\.", r".\1.dw."),
    (r"^network\.head\.0\.", "fea_conv."),
    (r"^network\.body\.0\.fuse\.0\.", "c1."),
    (r"^network\.body\.0\.fuse\.2\.", "c2."),
    (r"^network\.tail\.", "upsampler.upsampleOneStep."),
    *numbered(r"^network\.body\.0\.stages\.#\.", "B#.", up_to=2),
    *numbered(r"\.distil\.#\.", ".c#_d.", up_to=3),
    *numbered(r"\.refine\.#\.", ".c#_r.", up_to=3),
    (r"\.last\.", ".c4."),
    (r"\.fuse\.", ".c5."),
    (r"\.attend\.1\.body\.2\.gate\.", ".cca.body.2.conv_du."),
    (r"\.attend\.1\.body\.", ".cca.body."),
    (r"\.attend\.0\.body\.0\.", ".esa.body.0."),
    (r"\.squeeze\.", ".conv1."),
    (r"\.keep\.", ".conv_f."),
    (r"\.halve\.(\d)\.", r".conv2_\1."),
    (r"\.mix\.(\d)\.0\.", r".conv_max_\1."),
    (r"\.mix\.(\d)\.2\.", r".conv3_\1."),
    (r"\.expand\.", ".conv4."),
)
_FOUR = ("T1", "T1c", "T2", "FLAIR")
_ONE = {"in_channels": 1, "out_channels": 1, "width": 2}
_UNIT, _BYTES, _SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)


_WGANVGG = {**_ONE, "width": 3, "n_layers": 8}


def _dbpn(*, residual: bool) -> Published:
    sizes = {"scale": 2, "width": 2, "first_width": 4, "n_stages": 7}
    options = {**RGB, **sizes, "residual": residual}
    return Published("dbpn:DBPN", options, _DBPN, _UNIT)


def _unet(depth: int, norm: str) -> Published:
    options = {**_ONE, "depth": depth, "norm": norm}
    return Published("unet:UNet", options, _UNET, _SIGNED, side=2**depth)


def _resnet(norm: str, dropout: float, *, extra: tuple[str, ...] = ()) -> Published:
    options = {**_ONE, "n_blocks": 2, "norm": norm, "dropout": dropout}
    return Published("resnet:ResNetGenerator", options, _RESNET, _SIGNED, extra=extra)


def _mmgan(activation: str, value_range: tuple[float, float]) -> Published:
    options = {"in_channels": 4, "out_channels": 4, "width": 2, "depth": 3}
    images = {"inputs": _FOUR, "outputs": _FOUR}
    return Published(
        "mmgan:MMGAN",
        {**options, "activation": activation},
        _MMGAN,
        value_range,
        images,
        side=32,
    )


PUBLISHED = {
    "SRCNN-pytorch (yjn870)": Published(
        "srcnn:SRCNN",
        {"in_channels": 1, "widths": [4, 3], "kernels": [5, 3, 3]},
        (
            (r"^body\.0\.", "conv1."),
            (r"^body\.2\.", "conv2."),
            (r"^body\.4\.", "conv3."),
        ),
        _UNIT,
    ),
    "EDSR-PyTorch": Published("edsr:EDSR", EDSR, _EDSR, _BYTES),
    "super-image (Hugging Face)": Published(
        "edsr:EDSR",
        {**EDSR, "colour_range": 0.0},
        _EDSR,
        _UNIT,
        extra=("sub_mean.weight", "sub_mean.bias", "add_mean.weight", "add_mean.bias"),
    ),
    "BasicSR EDSR": Published(
        "edsr:EDSR",
        EDSR,
        (
            *_BASICSR,
            (r"^body\.0\.(\d+)\.body\.0\.", r"body.\1.conv1."),
            (r"^body\.0\.(\d+)\.body\.2\.", r"body.\1.conv2."),
        ),
        _BYTES,
    ),
    "RCAN": Published("rcan:RCAN", RCAN, _RCAN, _BYTES),
    "BasicSR RCAN": Published("rcan:RCAN", RCAN, _RCAN_BASICSR, _BYTES),
    "RDN": Published("rdn:RDN", RDN, _RDN, _BYTES),
    "RDN-pytorch (yjn870)": Published(
        "rdn:RDN",
        RDN,
        (*_YJN870, (r"^tail\.0\.", "upscale.0."), (r"^tail\.2\.", "output.")),
        _UNIT,
    ),
    "RDN-pytorch (yjn870), x4": Published(
        "rdn:RDN",
        {**RDN, "scale": 4},
        (*_YJN870, (r"^tail\.([02])\.", r"upscale.\1."), (r"^tail\.4\.", "output.")),
        _UNIT,
    ),
    "SRGAN-PyTorch (Lornatang)": Published(
        "srgan:SRResNet",
        {**SRGAN, "n_blocks": 2, "output": "clamp"},
        _LORNATANG,
        _UNIT,
    ),
    "SRGAN (leftthomas)": Published(
        "srgan:SRResNet",
        {**SRGAN, "n_blocks": 5, "bias": True, "output": "half-tanh"},
        _LEFTTHOMAS,
        _UNIT,
    ),
    "pix2pix U-Net 256, batch norm": _unet(8, "batch"),
    "pix2pix U-Net 256, instance norm": _unet(8, "instance"),
    "pix2pix U-Net 128, batch norm": _unet(7, "batch"),
    "pix2pix U-Net 128, instance norm": _unet(7, "instance"),
    "CycleGAN or cGAN": _resnet(
        "instance", 0.0, extra=("model.2.running_mean", "model.2.running_var")
    ),
    "pGAN": _resnet("instance", 0.5),
    "pix2pix ResNet": _resnet("batch", 0.0),
    "pix2pix ResNet with dropout": _resnet("batch", 0.5),
    "MM-GAN": _mmgan("relu", (0.0, 12.0)),
    "MM-GAN --use_tanh": _mmgan("tanh", _SIGNED),
    "DBPN": _dbpn(residual=True),
    "DBPN without residual": _dbpn(residual=False),
    "SRFBN": Published(
        "srfbn:SRFBN",
        {**RGB, "scale": 2, "width": 2, "n_groups": 3},
        _SRFBN,
        _BYTES,
    ),
    "RED-CNN": Published(
        "redcnn:REDCNN", {**_ONE, "width": 3}, _REDCNN, _UNIT, side=24
    ),
    "WGAN-VGG": Published("wganvgg:WGANVGG", _WGANVGG, (), _UNIT),
    "WGAN-VGG, whole training state": Published(
        "wganvgg:WGANVGG",
        _WGANVGG,
        ((r"^net\.", "generator.net."),),
        _UNIT,
        extra=("discriminator.fc1.weight", "feature_extractor.0.weight"),
    ),
    "MDRN (bbbolt)": Published(
        "mdrn:MDRN",
        {**RGB, "scale": 2, "width": 16, "n_blocks": 2},
        _MDRN,
        _UNIT,
        side=32,
    ),
}
