"""How published files of SRGAN spell the weights of `srgan.SRResNet`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .blocks import count, enlarging, scale_of
from .layout import Layout, State


def _layout(
    name: str,
    marks: tuple[str, ...],
    rules: tuple[tuple[str, str], ...],
    output: str,
    refused: str = "",
) -> Layout:
    spelling = Layout(name, "srgan-x4", marks, rules, refused=refused)

    def options(state: State) -> dict[str, Any]:
        ours = spelling.renamed(state)
        head, last = ours["head.0.weight"], ours["tail.1.weight"]
        keys = [f"tail.0.{i}.weight" for i in (0, 3, 6)]
        return {
            "in_channels": head.shape[1],
            "out_channels": last.shape[0],
            "scale": scale_of([*(ours[key] for key in keys if key in ours), last]),
            "width": head.shape[0],
            "n_blocks": count(ours, r"body\.0\.(\d+)\.body\.0\.weight"),
            "bias": "body.1.bias" in ours,
            "output": output,
        }

    return replace(spelling, options=options, changes=_changer(options))


def _changer(
    options: Callable[[State], dict[str, Any]],
) -> Callable[[State], dict[str, Any]]:
    def changes(state: State) -> dict[str, Any]:
        read = options(state)
        return enlarging(
            read["scale"],
            is_rgb=read["in_channels"] == 3,
            value_range=(0.0, 1.0),
            overlap=(4 * read["n_blocks"] + 18) * read["scale"],
        )

    return changes


# Layers that enlarge: convolution, shuffle, slope, convolution, ...
_LORNATANG_UP = tuple(
    (rf"^upsampling\.{j}\.upsample_block\.{i}\.", f"tail.0.{3 * j + i}.")
    for j in range(3)
    for i in (0, 2)
)
_BLOCK = (
    (r"\.conv1\.", ".0."),
    (r"\.bn1\.", ".1."),
    (r"\.prelu\.", ".2."),
    (r"\.conv2\.", ".3."),
    (r"\.bn2\.", ".4."),
)
_LEFTTHOMAS = (
    *(
        (rf"^block8\.{j}\.{part}\.", f"tail.0.{3 * j + i}.")
        for j in range(3)
        for part, i in (("conv", 0), ("prelu", 2))
    ),
    (r"^block8\.\d+\.", "tail.1."),
    (r"^block1\.", "head."),
    (r"^block7\.0\.", "body.1."),
    (r"^block7\.1\.", "body.2."),
    *(
        (rf"^block{i + 2}\.{old[2:-2]}\.", f"body.0.{i}.body{new}")
        for i in range(5)
        for old, new in _BLOCK
    ),
)
_SGRVINOD = (
    (r"^net\.", ""),
    *(
        (
            rf"^subpixel_convolutional_blocks\.{j}\.{part}\.",
            f"tail.0.{3 * j + i}.",
        )
        for j in range(3)
        for part, i in (("conv", 0), ("prelu", 2))
    ),
    (r"^conv_block3\.conv_block\.0\.", "tail.1."),
    (r"^conv_block1\.conv_block\.", "head."),
    (r"^conv_block2\.conv_block\.0\.", "body.1."),
    (r"^conv_block2\.conv_block\.1\.", "body.2."),
    (r"^residual_blocks\.(\d+)\.conv_block1\.conv_block\.", r"body.0.\1.body."),
    (r"^residual_blocks\.(\d+)\.conv_block2\.conv_block\.0\.", r"body.0.\1.body.3."),
    (r"^residual_blocks\.(\d+)\.conv_block2\.conv_block\.1\.", r"body.0.\1.body.4."),
)

LAYOUTS: tuple[Layout, ...] = (
    _layout(
        "SRGAN-PyTorch (Lornatang)",
        (r"conv1\.0\.weight", r"trunk\.0\.rcb\.0\.weight", r"conv3\.weight"),
        (
            (r"^trunk\.(\d+)\.rcb\.", r"body.0.\1.body."),
            *_LORNATANG_UP,
            (r"^conv1\.", "head."),
            (r"^conv2\.0\.", "body.1."),
            (r"^conv2\.1\.", "body.2."),
            (r"^conv3\.", "tail.1."),
        ),
        "clamp",
    ),
    _layout(
        "SRGAN (leftthomas)",
        (r"block1\.0\.weight", r"block2\.conv1\.weight", r"block8\.0\.conv\.weight"),
        _LEFTTHOMAS,
        "half-tanh",
    ),
    _layout(
        "a-PyTorch-Tutorial-to-Super-Resolution (sgrvinod)",
        (
            r"(net\.)?conv_block1\.conv_block\.0\.weight",
            r"(net\.)?residual_blocks\.0\.conv_block1\.conv_block\.0\.weight",
        ),
        _SGRVINOD,
        "tanh",
        "Files of sgrvinod's SRResNet and SRGAN hold a pickled program, and take "
        "colours scaled as ImageNet's: use a file of SRGAN-PyTorch (Lornatang) or "
        "SRGAN (leftthomas).",
    ),
    Layout(
        "critic of SRGAN-PyTorch (Lornatang)",
        "srgan-x4",
        (r"features\.3\.running_mean", r"features\.21\.weight", r"classifier\.2\.bias"),
        refused="This is the critic of an SRGAN, which makes no images: choose the "
        "file of its generator.",
    ),
)
