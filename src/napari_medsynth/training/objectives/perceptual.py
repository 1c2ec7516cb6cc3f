"""Perceptual loss: how different images look to a VGG network.

References
----------
.. [1] J. Johnson et al., "Perceptual losses for real-time style transfer and
   super-resolution", ECCV 2016. https://arxiv.org/abs/1603.08155
"""

from __future__ import annotations

import pickle

import torch
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import WeightsError
from napari_medsynth.models.vgg import TAPS, VGGFeatures
from napari_medsynth.training.config import TrainConfig
from napari_medsynth.training.vgg_file import check_vgg

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class Features(nn.Module):
    """What a frozen VGG sees in each channel of images; gradients pass through.

    Parameters
    ----------
    vgg : Module
        Images (M, 3, H, W) to features (M, c, h, w).
    is_imagenet : bool
        Show images in [0, 1], normalised as ImageNet was.
    low, high : float
        Else, what stands for -1 and 1: the range that the card's network works in, as
        pGAN ([-1, 1]) and WGAN-VGG ([0, 1]) do.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        vgg: nn.Module,
        *,
        is_imagenet: bool = True,
        low: float = -1.0,
        high: float = 1.0,
    ) -> None:
        super().__init__()
        self.vgg = vgg
        mean, spread = (_MEAN, _SPREAD) if is_imagenet else ((0.0,) * 3, (1.0,) * 3)
        self._low, self._high = (0.0, 1.0) if is_imagenet else (low, high)
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("spread", torch.tensor(spread).view(3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor) -> Tensor:
        """Give features (N, C, c, h, w) of grey images (N, C, H, W) in [-1, 1]."""
        grey = image.flatten(0, 1)[:, None]
        shown = (grey + 1) * ((self._high - self._low) / 2) + self._low
        colours = (shown.expand(-1, 3, -1, -1) - self.mean) / self.spread
        made: Tensor = self.vgg(colours)
        return made.unflatten(0, image.shape[:2])


def feature_error(
    features: Features, output: Tensor, truth: Tensor, *, kind: str
) -> Tensor:
    """Give the mean "l1" or "l2" error of the features of each channel, (N, C).

    Parameters
    ----------
    features : Features
    output, truth : Tensor
        (N, C, H, W) in [-1, 1]; gradients are those of the output.
    """
    with torch.no_grad():
        wanted = features(truth)
    difference = features(output).float() - wanted.float()
    error = difference.abs() if kind == "l1" else difference.square()
    return error.mean(dim=(2, 3, 4))


def make_features(
    config: TrainConfig, card: ModelCard, device: torch.device
) -> Features | None:
    """Give what the perceptual loss needs; None if it has no weight.

    Raises
    ------
    WeightsError
        If the published weights are missing, damaged or not those of a VGG.
    """
    if not config.perceptual_weight:
        return None
    name, _ = TAPS[config.perceptual_layer]
    path, vgg = check_vgg(name), VGGFeatures(config.perceptual_layer)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        vgg.load_state_dict({key: state[key] for key in vgg.state_dict()})
    except (RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as err:
        raise WeightsError(
            f"{path} does not hold the weights of {name.upper()}: get it again with "
            f"medsynth models vgg {name} --agree."
        ) from err
    low, high = card.value_range
    is_imagenet = config.perceptual_imagenet
    return Features(vgg, is_imagenet=is_imagenet, low=low, high=high).to(device)
