"""MDRN: how its published files name the weights."""

from __future__ import annotations

from typing import Any

from .blocks import enlarging
from .layout import Layout, State


def _scale(state: State) -> int:
    rows = len(state["upsampler.upsampleOneStep.0.bias"])
    return round((rows / state["fea_conv.weight"].shape[1]) ** 0.5)


def _options(state: State) -> dict[str, Any]:
    width, channels = state["fea_conv.weight"].shape[:2]
    return {
        "in_channels": channels,
        "out_channels": channels,
        "scale": _scale(state),
        "width": width,
        "n_blocks": state["c1.weight"].shape[1] // width,
        "residual": False,
    }


def _changes(state: State) -> dict[str, Any]:
    scale = _scale(state)
    changes = enlarging(
        scale,
        is_rgb=state["fea_conv.weight"].shape[1] == 3,
        value_range=(0.0, 1.0),
        overlap=64 * scale,
    )
    return {**changes, "size_multiple": 16 * scale, "tile": 256 * scale}


LAYOUTS = (
    Layout(
        name="MDRN (bbbolt)",
        card="mdrn-x2",
        marks=(r"fea_conv\.weight", r"B1\.esa\.body\.0\.conv_max_0\.pw\.weight"),
        rules=(
            (r"\.pw\.", ".0."),
            (r"\.dw\.", ".1."),
            (r"^fea_conv\.", "network.head.0."),
            (r"^c1\.", "network.body.0.fuse.0."),
            (r"^c2\.", "network.body.0.fuse.2."),
            (r"^upsampler\.upsampleOneStep\.", "network.tail."),
            *((rf"^B{k + 1}\.", f"network.body.0.stages.{k}.") for k in range(12)),
            *((rf"\.c{k + 1}_d\.", f".distil.{k}.") for k in range(3)),
            *((rf"\.c{k + 1}_r\.", f".refine.{k}.") for k in range(3)),
            (r"\.c4\.", ".last."),
            (r"\.c5\.", ".fuse."),
            (r"\.esa\.body\.0\.", ".attend.0.body.0."),
            (r"\.cca\.body\.2\.conv_du\.", ".attend.1.body.2.gate."),
            (r"\.cca\.body\.", ".attend.1.body."),
            (r"\.conv1\.", ".squeeze."),
            (r"\.conv_f\.", ".keep."),
            (r"\.conv2_(\d)\.", r".halve.\1."),
            (r"\.conv_max_(\d)\.", r".mix.\1.0."),
            (r"\.conv3_(\d)\.", r".mix.\1.2."),
            (r"\.conv4\.", ".expand."),
        ),
        options=_options,
        changes=_changes,
    ),
)
