"""DBPN, deep back-projection networks for super-resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import conv, enlarging
from .layout import Layout, State

# Scale to kernel, stride and padding of a projection between coarse and fine.
PROJECTIONS = {2: (6, 2, 2), 3: (7, 3, 2), 4: (8, 4, 2), 8: (12, 8, 2)}


def projection(width: int, scale: int, *, is_up: bool) -> nn.Sequential:
    """Give a strided convolution, transposed if `is_up`, with a PReLU of one slope.

    Raises
    ------
    ValueError
        If `scale` is not 2, 3, 4 or 8.
    """
    if scale not in PROJECTIONS:
        raise ValueError(f"scale must be 2, 3, 4 or 8, got {scale}")
    kernel, stride, padding = PROJECTIONS[scale]
    layer = nn.ConvTranspose2d if is_up else nn.Conv2d
    return nn.Sequential(layer(width, width, kernel, stride, padding), nn.PReLU())


class BackProjection(nn.Module):
    """Project up, project back, and project the error of that up too; or all down.

    Parameters
    ----------
    width, scale : int
        Channels and factor.
    is_up : bool
        From coarse to fine, or back.
    n_inputs : int
        Feature maps of `width` channels that are squeezed into one before; 1: none.
    """

    def __init__(
        self, width: int, scale: int, *, is_up: bool, n_inputs: int = 1
    ) -> None:
        super().__init__()
        self.squeeze = nn.Sequential()
        if n_inputs > 1:
            self.squeeze.extend([conv(n_inputs * width, width, 1), nn.PReLU()])
        self.there = projection(width, scale, is_up=is_up)
        self.back = projection(width, scale, is_up=not is_up)
        self.error = projection(width, scale, is_up=is_up)

    def forward(self, features: Tensor) -> Tensor:
        """Project (N, n_inputs * width, H, W)."""
        given = self.squeeze(features)
        first = self.there(given)
        return first + self.error(self.back(first) - given)


class DBPN(nn.Module):
    """Enlarge by projections up and down, each of which sees all before it [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images, in [0, 1].
    scale : int
        2, 4 or 8 were published; 3 works too.
    width, first_width : int
        Channels of the projections, and of the first layer.
    n_stages : int
        Projections up, 2 or more; one less go down.
    residual : bool
        Add the input enlarged as by Pillow (antialias: a = -0.5). A file does not say
        whether to; the published code trains with it by default.

    Raises
    ------
    ValueError
        If the scale is none of these, or there is one stage only.

    Notes
    -----
    Equal to the published code but for the names of keys: `LAYOUTS`. Convolutions start
    as He's, biases at 0, as there.

    References
    ----------
    .. [1] M. Haris, G. Shakhnarovich, N. Ukita, "Deep back-projection networks for
       super-resolution", CVPR 2018. https://arxiv.org/abs/1803.02735
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 2,
        width: int = 64,
        first_width: int = 256,
        n_stages: int = 7,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if n_stages < 2:
            raise ValueError(f"n_stages must be 2 or more, got {n_stages}")
        self.scale, self.residual = scale, residual
        self.head = nn.Sequential(
            nn.Sequential(conv(in_channels, first_width), nn.PReLU()),
            nn.Sequential(conv(first_width, width, 1), nn.PReLU()),
        )
        self.steps = nn.ModuleDict()
        for i in range(1, n_stages + 1):  # the first of a kind has one input
            self.steps[f"up{i}"] = BackProjection(
                width, scale, is_up=True, n_inputs=max(1, i - 1)
            )
            if i < n_stages:
                self.steps[f"down{i}"] = BackProjection(
                    width, scale, is_up=False, n_inputs=i
                )
        self.tail = conv(n_stages * width, out_channels)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w)."""
        coarse, fine = self.head(image), None
        lows: list[Tensor] = []  # newest first, as the published code joins them
        for name, step in self.steps.items():
            if name.startswith("up"):
                new = step(torch.cat(lows, dim=1) if lows else coarse)
                fine = new if fine is None else torch.cat([new, fine], dim=1)
            else:
                lows.insert(0, step(fine))
        made = self.tail(fine)
        if self.residual:
            made = made + F.interpolate(
                image, scale_factor=self.scale, mode="bicubic", antialias=True
            )
        return made


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _options(state: State) -> dict[str, Any]:
    kernel = state["up1.up_conv1.deconv.weight"].shape[-1]
    head, tail = state["feat0.conv.weight"], state["output_conv.conv.weight"]
    return {
        "in_channels": head.shape[1],
        "out_channels": tail.shape[0],
        "scale": next(s for s, plan in PROJECTIONS.items() if plan[0] == kernel),
        "width": state["feat1.conv.weight"].shape[0],
        "first_width": head.shape[0],
        "n_stages": sum(key.endswith(".up_conv1.act.weight") for key in state),
        "residual": True,
    }


def _changes(state: State) -> dict[str, Any]:
    options = _options(state)
    is_rgb = options["in_channels"] == 3
    return enlarging(
        options["scale"], is_rgb=is_rgb, value_range=(0.0, 1.0), overlap=252
    )


_OFFICIAL = Layout(
    name="DBPN",
    card="dbpn-x2",
    marks=(r"feat0\.conv\.weight", r"up1\.up_conv1\.deconv\.weight"),
    rules=(
        (r"\.(conv|deconv)\.(weight|bias)$", r".0.\2"),
        (r"\.act\.weight$", r".1.weight"),
        (r"^feat(\d)\.", r"head.\1."),
        (r"^output_conv\.0\.", r"tail."),
        (r"^(up|down)(\d+)\.conv\.", r"steps.\1\2.squeeze."),
        (r"^(up|down)(\d+)\.\1_conv1\.", r"steps.\1\2.there."),
        (r"^(up|down)(\d+)\.\1_conv2\.", r"steps.\1\2.back."),
        (r"^(up|down)(\d+)\.\1_conv3\.", r"steps.\1\2.error."),
    ),
    options=_options,
    changes=_changes,
)
LAYOUTS = (
    _OFFICIAL,
    replace(
        _OFFICIAL,
        name="DBPN without residual",
        options=lambda state: {**_options(state), "residual": False},
    ),
)
