"""DnCNN, a residual convolutional denoiser."""

from __future__ import annotations

from torch import Tensor, nn


class DnCNN(nn.Module):
    """Predict the noise in an image and subtract it [1]_.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the images, equal. A card's network always takes these two.
    width, depth : int
        Channels of the hidden layers; convolutions in a row, at least 3.

    Raises
    ------
    ValueError
        If `in_channels` and `out_channels` differ, or `depth` is below 3.

    References
    ----------
    .. [1] K. Zhang et al., "Beyond a Gaussian denoiser", IEEE TIP 26(7), 2017.
       https://doi.org/10.1109/TIP.2017.2662206
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 64,
        depth: int = 17,
    ) -> None:
        super().__init__()
        if in_channels != out_channels or depth < 3:
            raise ValueError(
                "DnCNN needs as many channels out as in and a depth of at least 3, "
                f"got {in_channels}, {out_channels} and {depth}"
            )
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1)]
        layers.append(nn.ReLU())
        for _ in range(depth - 2):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        layers.append(nn.Conv2d(width, out_channels, 3, padding=1))
        self.noise = nn.Sequential(*layers)
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Denoise `image`, shape (N, C, H, W), intensities in [0, 1]."""
        predicted: Tensor = self.noise(image)
        return image - predicted
