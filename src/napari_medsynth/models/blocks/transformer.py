"""A pre-norm transformer encoder over a grid of tokens, as in ViT."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LayerAttention = Callable[[int, Tensor], None]


class SelfAttention(nn.Module):
    """Multi-head self-attention with separate query, key, value and output maps.

    Parameters
    ----------
    embed_dim : int
        Length of a token.
    n_heads : int
        Heads; must divide `embed_dim`.

    Raises
    ------
    ValueError
        If `n_heads` does not divide `embed_dim`.
    """

    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(
                f"n_heads must divide embed_dim {embed_dim}, got {n_heads}"
            )
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)

    def forward(
        self, tokens: Tensor, on_attention: Callable[[Tensor], None] | None = None
    ) -> Tensor:
        """Mix `tokens`, shape (N, T, E); report probabilities (N, heads, T, T)."""
        heads = (tokens.shape[0], tokens.shape[1], self.n_heads, -1)
        query = self.query(tokens).view(heads).transpose(1, 2)
        key = self.key(tokens).view(heads).transpose(1, 2)
        value = self.value(tokens).view(heads).transpose(1, 2)
        if on_attention is None:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
            probabilities = torch.softmax(scores, dim=-1)
            on_attention(probabilities)
            mixed = probabilities.to(value.dtype) @ value
        return self.out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear maps with an exact (erf) GELU and dropout between and after.

    Parameters
    ----------
    embed_dim, mlp_dim : int
        Length of a token; of the hidden layer.
    dropout : float
        Probability of dropping a number, in training only.
    """

    def __init__(self, embed_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, mlp_dim)
        self.fc2 = nn.Linear(mlp_dim, embed_dim)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map each token of `tokens`, shape (N, T, E), by itself."""
        hidden = self.dropout(F.gelu(self.fc1(tokens)))
        return self.dropout(self.fc2(hidden))


class TransformerLayer(nn.Module):
    """Self-attention and feed-forward, each on normalised tokens and added to them.

    Parameters
    ----------
    embed_dim, n_heads, mlp_dim : int
        Length of a token; heads; length of the feed-forward's hidden layer.
    dropout : float
        Of the feed-forward; the attention has none.
    """

    def __init__(
        self, embed_dim: int, n_heads: int, mlp_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.ffn_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.ffn = FeedForward(embed_dim, mlp_dim, dropout)
        self.attn = SelfAttention(embed_dim, n_heads)

    def forward(
        self, tokens: Tensor, on_attention: Callable[[Tensor], None] | None = None
    ) -> Tensor:
        """Refine `tokens`, shape (N, T, E)."""
        tokens = tokens + self.attn(self.attention_norm(tokens), on_attention)
        return tokens + self.ffn(self.ffn_norm(tokens))


class TransformerEncoder(nn.Module):
    """A row of pre-norm transformer layers and a final norm [1]_.

    Parameters
    ----------
    embed_dim, depth, n_heads, mlp_dim : int
        Length of a token; layers; heads; length of the feed-forwards' hidden layer.
    dropout : float
        Of the feed-forwards; the attention has none.

    References
    ----------
    .. [1] A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021.
       https://arxiv.org/abs/2010.11929
    """

    def __init__(
        self,
        embed_dim: int,
        *,
        depth: int,
        n_heads: int,
        mlp_dim: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.layer = nn.ModuleList(
            TransformerLayer(embed_dim, n_heads, mlp_dim, dropout) for _ in range(depth)
        )
        self.encoder_norm = nn.LayerNorm(embed_dim, eps=1e-6)

    def forward(
        self, tokens: Tensor, on_attention: LayerAttention | None = None
    ) -> Tensor:
        """Encode `tokens`, shape (N, T, E).

        `on_attention`, if given, is called with the index of each layer and its
        post-softmax probabilities, shape (N, heads, T, T).
        """
        for index, layer in enumerate(self.layer):
            report = None if on_attention is None else partial(on_attention, index)
            tokens = layer(tokens, report)
        return self.encoder_norm(tokens)
