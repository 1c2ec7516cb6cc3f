"""Layers that model families share."""

from .art import ARTBlock, resample_positions
from .compose import (
    ChannelGate,
    Fusion,
    LongSkip,
    MeanShift,
    Parallel,
    Skip,
    conv,
    layers,
    shuffle_up,
)
from .conv import ChannelCompression, ResidualBlock, downsample, upsample
from .enlarger import (
    Enlarger,
    colour_range_of,
    count,
    enlarger_options,
    enlarging,
    residual_body,
    scale_of,
)
from .norm import SliceNorm2d, set_norm_statistics
from .transformer import LayerAttention, SelfAttention, TransformerEncoder

__all__ = [
    "ARTBlock",
    "ChannelCompression",
    "ChannelGate",
    "Enlarger",
    "Fusion",
    "LayerAttention",
    "LongSkip",
    "MeanShift",
    "Parallel",
    "ResidualBlock",
    "SelfAttention",
    "Skip",
    "SliceNorm2d",
    "TransformerEncoder",
    "colour_range_of",
    "conv",
    "count",
    "downsample",
    "enlarger_options",
    "enlarging",
    "layers",
    "resample_positions",
    "residual_body",
    "scale_of",
    "set_norm_statistics",
    "shuffle_up",
    "upsample",
]
