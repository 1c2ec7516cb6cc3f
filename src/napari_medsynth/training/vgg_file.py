"""The published weights of VGG: where they must be, whether they are whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from napari_medsynth.catalogue import user_folder
from napari_medsynth.errors import WeightsError

# The name of a published file ends with the first digits of its sha256.
FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}
SOURCE = "https://download.pytorch.org/models/"
_CHUNK = 1 << 22  # [byte]


def vgg_path(name: str) -> Path:
    """Give where the weights of "vgg16" or "vgg19" must be.

    In the folder ``$MEDSYNTH_VGG`` (or that very file), else in the user's folder.
    """
    if place := os.environ.get("MEDSYNTH_VGG"):
        given = Path(place).expanduser()
        return given if given.suffix == ".pth" else given / FILES[name]
    return user_folder() / "vgg" / FILES[name]


def check_vgg_exists(name: str) -> Path:
    """Give the path of the file.

    Raises
    ------
    WeightsError
        If it is not there.
    """
    path = vgg_path(name)
    if not path.is_file():
        raise WeightsError(
            f"perceptual_weight needs the published weights {FILES[name]}, which are "
            f"not at {path}: put the file there, get it with "
            f"medsynth models vgg {name} --agree, or set perceptual_weight = 0."
        )
    return path


def check_vgg(name: str) -> Path:
    """Give the path of the whole file.

    Raises
    ------
    WeightsError
        If it is not there, or its sha256 does not begin as its published name says.
    """
    path = check_vgg_exists(name)
    _check_digits(path, name)
    return path


def download_vgg(name: str, told: Callable[[int, int], None] | None = None) -> Path:
    """Fetch the file, about 550 MB, and give its path; only ever on explicit request.

    It has its name only when it is whole.

    Parameters
    ----------
    name : {"vgg16", "vgg19"}
    told : callable, optional
        Called with the bytes that are there and those there will be (0: unknown).

    Raises
    ------
    WeightsError
        If it cannot be fetched or written, or is not the published file.
    """
    path = vgg_path(name)
    temporary = path.with_name(path.name + ".part")
    url = SOURCE + FILES[name]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(url, timeout=60) as answer, temporary.open("wb") as file:
            size, done = int(answer.headers.get("Content-Length") or 0), 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if told is not None:
                    told(done, size)
        _check_digits(temporary, name)
        temporary.replace(path)
    except (URLError, OSError) as err:
        raise WeightsError(
            f"{url} could not be fetched ({getattr(err, 'reason', err)}): fetch it "
            f"elsewhere and put it at {path}."
        ) from err
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _check_digits(path: Path, name: str) -> None:
    wanted = FILES[name].removesuffix(".pth").split("-")[-1]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise WeightsError(
            f"{path} is not the published {FILES[name]}: its sha256 begins with "
            f"{found[:8]}, not {wanted}; delete it and get it again."
        )
