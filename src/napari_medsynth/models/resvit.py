"""ResViT, a residual network with vision transformers for medical image synthesis."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from .blocks import ARTBlock, ResidualBlock, SliceNorm2d, TransformerEncoder
from .blocks import downsample as down
from .blocks import upsample as up

SIZE_MULTIPLE = 16  # encoder 4, downsampling to tokens 4

OnAttention = Callable[[str, int, Tensor], None]


class ResViT(nn.Module):
    """Synthesise images of missing contrasts from those of available ones [1]_.

    An encoder quarters the sides, a row of residual blocks follows, some of which also
    look at the whole slice through a transformer (ART blocks), and a decoder brings the
    size back. Without `transformer_blocks` it is the paper's pre-training stage.

    Parameters
    ----------
    in_channels, out_channels : int
        Images in and out. The unified model has all contrasts on both sides.
    width : int
        Channels after the first convolution; 4 times as many in the blocks.
    n_blocks : int
        Blocks between encoder and decoder.
    transformer_blocks : sequence of int
        Which of them carry a transformer, counted from 1.
    embed_dim, depth, n_heads, mlp_dim : int
        Of the transformer: length of a token, layers, heads, hidden feed-forward layer.
    token_grid : sequence of two int
        Rows and columns of tokens that positions are learned for: H / 16, W / 16 of the
        training images.
    dropout : float
        After the embedding and in the feed-forwards, in training only.
    share_transformer : bool
        True: one transformer serves all blocks. False: each has its own.
    skip : bool
        Hand the feature maps of the first two layers to the last two, past the blocks.

    Raises
    ------
    ValueError
        If `transformer_blocks` are not among the blocks, or `n_heads` does not divide
        `embed_dim`.

    Notes
    -----
    Equal to the published code, which differs from the paper's figure (no ReLU after
    the second norm and the sum of a residual block) and from its text (the norm layers
    can use the statistics of each slice, see `blocks.SliceNorm2d`). Departures: any H
    and W that are multiples of 16, by resampling the learned positions; several
    output channels; state dicts hold a shared transformer once. `skip` is ours: a small
    network learns sharp images many times sooner with it.

    References
    ----------
    .. [1] O. Dalmaz, M. Yurt, T. Cukur, "ResViT: Residual vision transformers for
       multimodal medical image synthesis", IEEE TMI 41(10), 2022.
       https://arxiv.org/abs/2106.16031
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 64,
        n_blocks: int = 9,
        transformer_blocks: Sequence[int] = (1, 6),
        embed_dim: int = 768,
        depth: int = 12,
        n_heads: int = 12,
        mlp_dim: int = 3072,
        token_grid: Sequence[int] = (16, 16),
        dropout: float = 0.1,
        share_transformer: bool = True,
        skip: bool = False,
    ) -> None:
        super().__init__()
        _check_blocks(transformer_blocks, n_blocks)
        sizes = {"depth": depth, "n_heads": n_heads, "mlp_dim": mlp_dim}
        encoder = partial(TransformerEncoder, embed_dim, dropout=dropout, **sizes)
        is_shared = share_transformer and len(transformer_blocks) > 0
        self.transformer_encoder = encoder() if is_shared else None
        self.encoder_1 = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(in_channels, width, 7, bias=False),
            SliceNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.encoder_2 = nn.Sequential(*down(width, 2 * width))
        self.encoder_3 = nn.Sequential(*down(2 * width, 4 * width))
        self.block_names = tuple(f"art_{i}" for i in range(1, n_blocks + 1))
        for number, name in enumerate(self.block_names, start=1):
            block: nn.Module = _residual_block(4 * width)
            if number in transformer_blocks:
                block = ARTBlock(
                    4 * width,
                    embed_dim,
                    token_grid=(token_grid[0], token_grid[1]),
                    dropout=dropout,
                    transformer=None if is_shared else encoder(),
                )
            self.add_module(name, block)
        self.decoder_1 = nn.Sequential(*up(4 * width, 2 * width))
        self.has_skip = skip
        sources = 2 if skip else 1
        self.decoder_2 = nn.Sequential(*up(sources * 2 * width, width))
        self.decoder_3 = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(sources * width, out_channels, 7),
            nn.Tanh(),
        )

    def forward(self, image: Tensor, on_attention: OnAttention | None = None) -> Tensor:
        """Synthesise (N, out_channels, H, W) from `image`, both in [-1, 1].

        Parameters
        ----------
        image : Tensor
            Shape (N, in_channels, H, W), sides that are multiples of `SIZE_MULTIPLE`.
        on_attention : callable, optional
            Called with the name of each ART block ("art_1"), the index of each layer of
            its transformer and the post-softmax probabilities (N, heads, T, T), rows
            are queries. Without it, fused attention is used.

        Raises
        ------
        ValueError
            If a side is not a multiple of `SIZE_MULTIPLE`.
        """
        _check_size(image.shape[-2:])
        first = self.encoder_1(image)
        second = self.encoder_2(first)
        image = self.encoder_3(second)
        for name in self.block_names:
            block = getattr(self, name)
            if isinstance(block, ARTBlock):
                report = None if on_attention is None else partial(on_attention, name)
                image = block(image, self.transformer_encoder, report)
            else:
                image = block(image)
        image = self.decoder_1(image)
        image = self.decoder_2(self._joined(image, second))
        return self.decoder_3(self._joined(image, first))

    def _joined(self, image: Tensor, early: Tensor) -> Tensor:
        return torch.cat([image, early], dim=1) if self.has_skip else image


def _residual_block(channels: int) -> nn.Sequential:
    """Give an ART block without a transformer, with the keys of one."""
    residual = nn.Sequential(ResidualBlock(channels))
    return nn.Sequential(OrderedDict(residual_cnn=residual))


def _check_blocks(transformer_blocks: Collection[int], n_blocks: int) -> None:
    if any(not 1 <= number <= n_blocks for number in transformer_blocks):
        raise ValueError(
            f"transformer_blocks must be numbers from 1 to n_blocks {n_blocks}, "
            f"got {tuple(transformer_blocks)}"
        )


def _check_size(size: Sequence[int]) -> None:
    if any(side % SIZE_MULTIPLE for side in size):
        raise ValueError(
            f"ResViT needs sides that are multiples of {SIZE_MULTIPLE}, "
            f"got {tuple(size)}: pad the image"
        )
