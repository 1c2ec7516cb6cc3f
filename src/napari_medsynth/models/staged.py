"""P-GAN's generator: enlarges in stages, each of which improves on the last."""

from __future__ import annotations

from math import log2

from torch import Tensor, nn

from .srgan import SRResNet


class StagedGenerator(nn.Module):
    """Enlarge twice as often as needed, each time with a network of its own [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images: equal, because each stage takes what the last one gave.
    scale : int
        2, 4 or 8: so many stages as the power of 2.
    width, n_blocks : int
        Of each stage, an `SRResNet` of scale 2.

    Raises
    ------
    ValueError
        If `scale` is none of these, or the numbers of channels differ.

    Notes
    -----
    There is no code, and of the paper only the abstract was available: stages that
    improve on each other, and a triplet loss against the last one's result
    (``training/objectives/staged.py``), are published; what a stage is, is ours.

    References
    ----------
    .. [1] D. Mahapatra, B. Bozorgtabar, R. Garnavi, "Image super-resolution using
       progressive generative adversarial networks for medical image analysis",
       Computerized Medical Imaging and Graphics 71, 2019.
       https://arxiv.org/abs/1902.02144
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        scale: int = 4,
        width: int = 64,
        n_blocks: int = 16,
    ) -> None:
        super().__init__()
        if scale not in (2, 4, 8):
            raise ValueError(f"scale must be 2, 4 or 8, got {scale}")
        if in_channels != out_channels:
            raise ValueError(
                "each stage takes what the last one gave: in_channels and out_channels "
                f"must be equal, got {in_channels} and {out_channels}"
            )
        self.stages = nn.ModuleList(
            SRResNet(
                in_channels=in_channels,
                out_channels=out_channels,
                scale=2,
                width=width,
                n_blocks=n_blocks,
                output="linear",
            )
            for _ in range(int(log2(scale)))
        )

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Enlarge (N, C, h, w) to (N, C, scale * h, scale * w).

        In training mode: what every stage gave, sides 2, 4, .. times as long.
        """
        outputs = []
        for stage in self.stages:
            image = stage(image)
            outputs.append(image)
        return tuple(outputs) if self.training else image
