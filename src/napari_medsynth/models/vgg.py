"""VGG, whose features tell how alike two images look."""

from __future__ import annotations

from torch import Tensor, nn

PLANS = {
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
# Number of the last layer that is run, counted from 0 as in the published files.
TAPS = {
    "vgg16-relu2_2": ("vgg16", 8),
    "vgg19-conv2_2": ("vgg19", 7),
    "vgg19-conv5_4": ("vgg19", 34),
    "vgg19-relu5_4": ("vgg19", 35),
}
_WIDTHS = (64, 128, 256, 512, 512)


class VGGFeatures(nn.Module):
    """The first layers of a VGG, up to one whose output is compared [1]_.

    Parameters
    ----------
    layer : {"vgg16-relu2_2", "vgg19-conv2_2", "vgg19-conv5_4", "vgg19-relu5_4"}
        The last layer: a convolution without, or the ReLU after it.

    Attributes
    ----------
    features : Sequential
        Numbered as in the files of torchvision, whose keys are ours:
        "features.0.weight" to that of the last layer; the files have more.

    Raises
    ------
    ValueError
        If there is no such layer.

    References
    ----------
    .. [1] K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale
       image recognition", ICLR 2015. https://arxiv.org/abs/1409.1556
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        if layer not in TAPS:
            raise ValueError(f"layer must be one of {', '.join(TAPS)}, got {layer!r}")
        name, last = TAPS[layer]
        made: list[nn.Module] = []
        channels = 3
        for width, repeats in zip(_WIDTHS, PLANS[name], strict=True):
            for _ in range(repeats):
                made += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            made.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*made[: last + 1])

    def forward(self, image: Tensor) -> Tensor:
        """Give the features (N, C, h, w) of images (N, 3, H, W)."""
        return self.features(image)
