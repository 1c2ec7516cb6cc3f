"""Layers that model families share."""

from .art import ARTBlock, resample_positions
from .conv import ChannelCompression, ResidualBlock, downsample, upsample
from .norm import SliceNorm2d, set_norm_statistics
from .transformer import LayerAttention, SelfAttention, TransformerEncoder

__all__ = [
    "ARTBlock",
    "ChannelCompression",
    "LayerAttention",
    "ResidualBlock",
    "SelfAttention",
    "SliceNorm2d",
    "TransformerEncoder",
    "downsample",
    "resample_positions",
    "set_norm_statistics",
    "upsample",
]
