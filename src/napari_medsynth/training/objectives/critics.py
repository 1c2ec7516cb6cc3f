"""Which critic a configuration names."""

from __future__ import annotations

from torch import nn

from napari_medsynth.training.config import TrainConfig


def make_critic(
    config: TrainConfig, in_channels: int, *, n_outputs: int = 1
) -> nn.Module:
    """Build the critic that `config` names, with fresh weights.

    Parameters
    ----------
    config : TrainConfig
        Its `critic`, and for patch and pixel `critic_layers` and `critic_norm`.
    in_channels : int
        Of all that it is shown.
    n_outputs : int
        Contrasts that mm-gan judges one by one.

    Notes
    -----
    `check_recipe` has said what does not fit: srgan and wgan-vgg judge whole patches.
    """
    name, norm = config.critic, config.critic_norm
    if name == "srgan":
        from napari_medsynth.models.srgan import SRGANCritic

        return SRGANCritic(in_channels, size=config.patch_size)
    if name == "wgan-vgg":
        from napari_medsynth.models.wganvgg import WGANVGGCritic

        return WGANVGGCritic(in_channels, size=config.patch_size)
    from napari_medsynth.models.patchgan import MMGANCritic, PatchGAN, PixelGAN

    if name == "mm-gan":
        return MMGANCritic(in_channels, n_outputs)
    if name == "pixel":
        return PixelGAN(in_channels, norm=norm)
    return PatchGAN(in_channels, n_layers=config.critic_layers, norm=norm)
