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
from .norm import SliceNorm2d, set_norm_statistics
from .transformer import LayerAttention, SelfAttention, TransformerEncoder

__all__ = [
    "ARTBlock",
    "ChannelCompression",
    "ChannelGate",
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
    "conv",
    "downsample",
    "layers",
    "resample_positions",
    "set_norm_statistics",
    "shuffle_up",
    "upsample",
]
