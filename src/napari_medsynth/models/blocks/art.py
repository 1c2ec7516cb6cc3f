"""The aggregated residual transformer block, with its patch embedding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import ChannelCompression, ResidualBlock, downsample, upsample
from .transformer import LayerAttention, TransformerEncoder


def resample_positions(
    positions: Tensor, token_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    """Resample learned positions to another grid of tokens.

    Bilinear with aligned corners: the outermost tokens keep their positions.

    Parameters
    ----------
    positions : Tensor
        Shape (1, rows * columns, E), row-major over `token_grid`.
    token_grid, new_grid : tuple of int
        Rows and columns, of `positions` and of the result.

    Returns
    -------
    Tensor
        Shape (1, new rows * new columns, E).
    """
    if token_grid == new_grid:
        return positions
    image = positions.transpose(1, 2).unflatten(2, token_grid)
    image = F.interpolate(image, new_grid, mode="bilinear", align_corners=True)
    return image.flatten(2).transpose(1, 2)


class PatchEmbedding(nn.Module):
    """Turn each pixel of a feature map into a token that knows its position.

    Parameters
    ----------
    in_channels, embed_dim : int
        Channels of the feature map; length of a token.
    token_grid : tuple of int
        Rows and columns that positions are learned for; others are resampled.
    dropout : float
        Probability of dropping a number, in training only.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dim: int,
        *,
        token_grid: tuple[int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.token_grid = token_grid
        n_tokens = token_grid[0] * token_grid[1]
        self.positional_encoding = nn.Parameter(torch.zeros(1, n_tokens, embed_dim))
        self.patch_embeddings = nn.Conv2d(in_channels, embed_dim, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Give the tokens (N, H * W, E), row-major, of `image` (N, C, H, W)."""
        tokens = self.patch_embeddings(image).flatten(2).transpose(1, 2)
        grid = (image.shape[2], image.shape[3])
        positions = resample_positions(self.positional_encoding, self.token_grid, grid)
        return self.dropout(tokens + positions)


class ARTBlock(nn.Module):
    """Aggregated residual transformer block: context, compression, residual CNN [1]_.

    The feature map is halved twice, its pixels are encoded as tokens, brought back to
    its size and concatenated before the map itself; both are compressed to `channels`
    and refined by a residual block.

    Parameters
    ----------
    channels : int
        Channels in and out; 4 times as many enter the patch embedding.
    embed_dim : int
        Length of a token.
    token_grid : tuple of int
        Rows and columns that positions are learned for: a quarter of the image's.
    dropout : float
        Of the embedding, in training only.
    transformer : TransformerEncoder or None
        Of this block alone; None if blocks share one, given to `forward`.

    References
    ----------
    .. [1] O. Dalmaz et al., "ResViT", IEEE TMI 41(10), 2022.
       https://arxiv.org/abs/2106.16031
    """

    def __init__(
        self,
        channels: int,
        embed_dim: int,
        *,
        token_grid: tuple[int, int],
        dropout: float = 0.1,
        transformer: TransformerEncoder | None = None,
    ) -> None:
        super().__init__()
        self.downsample = nn.Sequential(
            *downsample(channels, 2 * channels), *downsample(2 * channels, 4 * channels)
        )
        self.embeddings = PatchEmbedding(
            4 * channels, embed_dim, token_grid=token_grid, dropout=dropout
        )
        self.transformer = transformer
        self.upsample = nn.Sequential(
            *upsample(embed_dim, 2 * channels), *upsample(2 * channels, channels)
        )
        self.cc = ChannelCompression(2 * channels, channels)
        self.residual_cnn = nn.Sequential(ResidualBlock(channels))

    def forward(
        self,
        image: Tensor,
        shared: TransformerEncoder | None = None,
        on_attention: LayerAttention | None = None,
    ) -> Tensor:
        """Refine `image`, shape (N, C, H, W) with sides that are multiples of 4.

        `shared` encodes the tokens if this block has no transformer of its own.
        `on_attention` is called as by `TransformerEncoder`.

        Raises
        ------
        ValueError
            If there is neither.
        """
        transformer = self.transformer if shared is None else shared
        if transformer is None:
            raise ValueError("this ART block has no transformer: give a shared one")
        reduced = self.downsample(image)
        tokens = transformer(self.embeddings(reduced), on_attention)
        context = tokens.transpose(1, 2).unflatten(2, reduced.shape[2:])
        joined = torch.cat([self.upsample(context), image], dim=1)
        return self.residual_cnn(self.cc(joined))
