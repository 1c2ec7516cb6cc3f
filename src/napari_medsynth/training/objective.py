"""What the network is trained for: wanted contrasts, and given ones a little."""

from __future__ import annotations

from torch import Tensor

from .data import Batch


def masked_l1(output: Tensor, truth: Tensor, channels: Tensor) -> Tensor:
    """Give the mean absolute error of some channels of each sample.

    Parameters
    ----------
    output, truth : Tensor
        (N, C, H, W).
    channels : Tensor
        bool, (N, C): which count. 0 is returned if none does.
    """
    error = (output - truth).abs().mean(dim=(2, 3))
    return (error * channels).sum() / channels.sum().clamp(min=1)


def gradient_difference(output: Tensor, truth: Tensor, channels: Tensor) -> Tensor:
    """Give `masked_l1` of the differences of neighbouring pixels: keeps edges sharp."""
    rows = masked_l1(output.diff(dim=2), truth.diff(dim=2), channels)
    columns = masked_l1(output.diff(dim=3), truth.diff(dim=3), channels)
    return rows + columns


def losses(
    output: Tensor, batch: Batch, *, reconstruction: float, gradient: float
) -> dict[str, Tensor]:
    """Give the loss ("total") and its parts.

    Parameters
    ----------
    output : Tensor
        The network's, (N, C, H, W).
    batch : Batch
        What was given and wanted.
    reconstruction, gradient : float
        Weights of the error on given channels and of the gradients of wanted ones.

    Notes
    -----
    The unified ResViT's pixel and reconstruction losses, without the adversarial one.
    """
    wanted = masked_l1(output, batch.truth, batch.wanted)
    given = masked_l1(output, batch.truth, batch.given)
    edges = gradient_difference(output, batch.truth, batch.wanted)
    total = wanted + reconstruction * given + gradient * edges
    return {"total": total, "wanted": wanted, "given": given, "edges": edges}
