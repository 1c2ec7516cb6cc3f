"""What a recipe asks for that cannot work, said before anything is read or trained."""

from __future__ import annotations

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError

from .check_other import check_other
from .config import TrainConfig
from .vgg_file import check_vgg_exists

# Critics that end in full layers, and the sizes of image that they were published for.
SIZES = {"srgan": (96,), "wgan-vgg": (64, 80)}
_WITH_NORMS = ("patch", "pixel")
_CONTENT = ("l1", "l2", "ssim", "gradient", "sharpness", "perceptual")


def check_recipe(config: TrainConfig, card: ModelCard) -> None:
    """Refuse, before anything is read or trained, what cannot work.

    Raises
    ------
    CardError
        If the learning rate falls for longer than there are epochs, a critic does not
        fit the patches, or a loss the critic or the objective, or the objective the
        card, or no loss looks at the real image.
    WeightsError
        If the weights of the perceptual loss are not there.
    """
    name = config.objective
    if config.schedule == "linear" and config.decay_epochs > config.epochs:
        raise CardError(
            f"decay_epochs ({config.decay_epochs}) are the last of all epochs, and "
            f"there are {config.epochs}: the learning rate would never be full; set "
            "decay_epochs to fewer."
        )
    if config.perceptual_weight:
        if name in ("cycle", "missing-modality"):
            raise CardError(
                f"objective {name} knows no perceptual loss: set perceptual_weight = 0."
            )
        check_vgg_exists(config.perceptual_layer.split("-")[0])
    _check_content(config)
    if name == "supervised":
        return
    check_other(config, card)
    sizes = SIZES.get(config.critic, ())
    if name == "gan" and sizes and config.patch_size not in sizes:
        raise CardError(
            f"critic {config.critic} judges images of {' or '.join(map(str, sizes))} "
            f"pixels: set patch_size to that, not {config.patch_size}, or choose "
            "another critic."
        )
    if name == "gan" and config.critic == "mm-gan":
        raise CardError(
            "critic mm-gan belongs to objective missing-modality: choose another one "
            f"for {card.title}."
        )
    has_bound = config.critic in _WITH_NORMS and config.critic_norm == "spectral"
    if config.gan_loss == "wasserstein" and not has_bound:
        raise CardError(
            "gan_loss wasserstein needs a critic whose slope is bounded: set critic to "
            "patch or pixel with critic_norm = spectral, or choose wasserstein-gp."
        )


def _check_content(config: TrainConfig) -> None:
    """Refuse to train a network that nothing ties to the real image."""
    has_content = any(getattr(config, f"{name}_weight") for name in _CONTENT)
    # A critic that sees the source can tell whether the result belongs to it.
    is_conditional = config.objective == "gan" and config.critic_sees_source
    if config.objective == "cycle" or is_conditional or has_content:
        return
    raise CardError(
        f"Nothing compares the results of objective {config.objective} with the real "
        "images: set l1_weight to 1, or the weight of another loss."
    )
