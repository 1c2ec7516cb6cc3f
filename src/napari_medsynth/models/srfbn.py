"""SRFBN, a feedback network for super-resolution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import MeanShift, colour_range_of, conv, enlarging
from .dbpn import PROJECTIONS, projection
from .layout import Layout, State

_SLOPE = 0.2


class SRFBN(nn.Module):
    """Enlarge again and again with one block that is fed what it found before [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images; the mean colour is shifted only if both are 3.
    scale : int
        2, 3, 4 or 8.
    width, n_groups, n_steps : int
        Channels, pairs of projections, and times that the block is run: 64, 6 and 4;
        32, 3 and 4 in SRFBN-S.
    colour_range : float
        Range of the colours whose mean is shifted.

    Notes
    -----
    Equal to the published code but for the names of keys: `LAYOUTS`. The published loss
    is the sum over the steps. Convolutions start as He's, biases at 0, as there.

    References
    ----------
    .. [1] Z. Li et al., "Feedback network for image super-resolution", CVPR 2019.
       https://arxiv.org/abs/1903.09814
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 4,
        width: int = 64,
        n_groups: int = 6,
        n_steps: int = 4,
        colour_range: float = 255.0,
    ) -> None:
        super().__init__()
        self.scale, self.n_steps = scale, n_steps
        self.colour_range = colour_range if in_channels == out_channels == 3 else 0.0
        self.head = nn.Sequential(
            nn.Sequential(conv(in_channels, 4 * width), nn.PReLU()),
            nn.Sequential(conv(4 * width, width, 1), nn.PReLU()),
        )
        self.block = FeedbackBlock(width, scale, n_groups)
        self.up = projection(width, scale, is_up=True)
        self.tail = conv(width, out_channels)
        for module in self.modules():
            if isinstance(module, nn.PReLU):
                nn.init.constant_(module.weight, _SLOPE)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Enlarge (N, in_channels, h, w) to (N, out_channels, scale * h, scale * w).

        In training mode: the result of every step, the last one last.
        """
        steps = self.steps(image)
        return steps if self.training else steps[-1]

    def steps(self, image: Tensor) -> tuple[Tensor, ...]:
        """Give the result of every step."""
        mean = image.new_tensor(MeanShift.MEAN).view(3, 1, 1) * self.colour_range
        if self.colour_range:
            image = image - mean
        enlarged = F.interpolate(
            image, scale_factor=self.scale, mode="bilinear", align_corners=False
        )
        features = self.head(image)
        last, results = features, []
        for _ in range(self.n_steps):
            last = self.block(torch.cat([features, last], dim=1))
            made = enlarged + self.tail(self.up(last))
            results.append(made + mean if self.colour_range else made)
        return tuple(results)


class FeedbackBlock(nn.Module):
    """Pairs of projections up and down, each of which sees all before it.

    Parameters
    ----------
    width, scale, n_groups : int
        See `SRFBN`.
    """

    def __init__(self, width: int, scale: int, n_groups: int) -> None:
        super().__init__()
        self.squeeze = _squeeze(2, width)
        # The first of each list has one input, and squeezes nothing.
        self.up_squeezes, self.down_squeezes = (
            nn.ModuleList(_squeeze(n, width) for n in range(2, n_groups + 1))
            for _ in range(2)
        )
        self.ups, self.downs = (
            nn.ModuleList(projection(width, scale, is_up=up) for _ in range(n_groups))
            for up in (True, False)
        )
        self.fuse = _squeeze(n_groups, width)

    def forward(self, features: Tensor) -> Tensor:
        """Refine (N, 2 * width, h, w) to (N, width, h, w)."""
        lows, highs = [self.squeeze(features)], []
        for i, (up, down) in enumerate(zip(self.ups, self.downs, strict=True)):
            low = self.up_squeezes[i - 1](torch.cat(lows, dim=1)) if i else lows[0]
            highs.append(up(low))
            high = self.down_squeezes[i - 1](torch.cat(highs, dim=1)) if i else highs[0]
            lows.append(down(high))
        return self.fuse(torch.cat(lows[1:], dim=1))


def _squeeze(n_inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(conv(n_inputs * width, width, 1), nn.PReLU())


def _options(state: State) -> dict[str, Any]:
    kernel = state["out.0.weight"].shape[-1]
    return {
        "in_channels": state["conv_in.0.weight"].shape[1],
        "out_channels": state["conv_out.0.weight"].shape[0],
        "scale": next(s for s, plan in PROJECTIONS.items() if plan[0] == kernel),
        "width": state["feat_in.0.weight"].shape[0],
        "n_groups": sum(
            key.startswith("block.upBlocks.") and key.endswith(".0.weight")
            for key in state
        ),
        "colour_range": colour_range_of(state),
    }


def _changes(state: State) -> dict[str, Any]:
    options = _options(state)
    return enlarging(
        options["scale"],
        is_rgb=options["in_channels"] == 3,
        value_range=(0.0, options["colour_range"]),
        overlap=252,
    )


LAYOUTS = (
    Layout(
        name="SRFBN",
        card="srfbn-x4",
        marks=(r"block\.compress_in\.0\.weight", r"block\.upBlocks\.0\.0\.weight"),
        rules=(
            (r"^conv_in\.", "head.0."),
            (r"^feat_in\.", "head.1."),
            (r"^block\.compress_in\.", "block.squeeze."),
            (r"^block\.uptranBlocks\.", "block.up_squeezes."),
            (r"^block\.downtranBlocks\.", "block.down_squeezes."),
            (r"^block\.upBlocks\.", "block.ups."),
            (r"^block\.downBlocks\.", "block.downs."),
            (r"^block\.compress_out\.", "block.fuse."),
            (r"^out\.", "up."),
            (r"^conv_out\.0\.", "tail."),
        ),
        drop=(r"(sub|add)_mean\.(weight|bias)",),
        options=_options,
        changes=_changes,
    ),
)
