"""``medsynth models vgg``: the published weights that perceptual losses need."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from napari_medsynth.errors import WeightsError

from ._console import note, say


class Network(StrEnum):
    """The published networks."""

    VGG16 = "vgg16"
    VGG19 = "vgg19"


def vgg(
    network: Annotated[
        Network, typer.Argument(metavar="vgg16|vgg19", help="pGAN uses vgg16.")
    ] = Network.VGG19,
    agree: Annotated[
        bool,
        typer.Option("--agree", help="Download the published file, about 550 MB."),
    ] = False,
) -> None:
    """Say where the weights of a VGG must be; download them after --agree.

    medsynth models vgg vgg19 --agree
    """
    from napari_medsynth.training import vgg_file

    name, path = network.value, vgg_file.vgg_path(network.value)
    if path.is_file():
        say(f"ok  {vgg_file.check_vgg(name)}")
        return
    if not agree:
        raise WeightsError(
            f"{vgg_file.FILES[name]} is not at {path}: put it there, or repeat with "
            f"--agree to download it from {vgg_file.SOURCE} (about 550 MB)."
        )
    note(f"Downloading {vgg_file.SOURCE}{vgg_file.FILES[name]} ...")
    say(f"ok  {vgg_file.download_vgg(name)}")
