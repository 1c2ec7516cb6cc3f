"""Read what the user typed: ``T1=a.nii.gz``, a folder, ``40:60``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from napari_medsynth.io import Study, read_study
from napari_medsynth.io.modality import MODALITIES

_BY_LOWER_CASE = {modality.lower(): modality for modality in MODALITIES}


def parse_modality(word: str, others: Sequence[str] = ()) -> str:
    """Give the modality that `word` names in any case, or one of `others`.

    Raises
    ------
    BadParameter
        If it names none.
    """
    known = {name.lower(): name for name in others} | _BY_LOWER_CASE
    try:
        return known[word.lower()]
    except KeyError:
        names = ", ".join(dict.fromkeys((*MODALITIES, *others)))
        raise typer.BadParameter(
            f"{word!r} is no contrast; choose of {names}."
        ) from None


def parse_inputs(
    words: Sequence[str], others: Sequence[str] = ()
) -> tuple[dict[str, Path], list[Path]]:
    """Split ``MODALITY=PATH`` words from plain paths, whose contrasts are guessed.

    `others` are names that a model has for its images: "MR" for any contrast of it.

    Raises
    ------
    BadParameter
        If a contrast is unknown or given twice, or a path does not exist.
    """
    named: dict[str, Path] = {}
    unnamed: list[Path] = []
    for word in words:
        name, equals, value = word.partition("=")
        is_named = bool(equals) and not Path(word).exists()
        if is_named and not value:
            raise typer.BadParameter(f"{word!r} needs a path after the '='.")
        path = Path(value if is_named else word).expanduser()
        if not path.exists():
            raise typer.BadParameter(f"{path} does not exist.")
        if not is_named:
            unnamed.append(path)
            continue
        modality = parse_modality(name, others)
        if modality in named:
            raise typer.BadParameter(f"{modality} is given twice; give one file each.")
        named[modality] = path
    return named, unnamed


def read_inputs(named: dict[str, Path], unnamed: list[Path]) -> Study:
    """Read all inputs as one study; a contrast that was named wins over a guessed one.

    Raises
    ------
    VolumeError
        If a file cannot be read, or its contrast not be guessed.
    """
    if not unnamed:
        return read_study(named)
    is_folder = len(unnamed) == 1 and unnamed[0].is_dir()
    guessed = _real(read_study(unnamed[0] if is_folder else unnamed))
    given = read_study(named)
    return Study(
        {**guessed.volumes, **given.volumes},
        subject=guessed.subject or given.subject,
        notes=(*guessed.notes, *given.notes),
    )


def _real(study: Study) -> Study:
    """Leave out synthetic volumes: results of an earlier run that lie beside scans."""
    notes = [
        f"{volume.name} was left out: it is synthetic; to use it all the same, give "
        f"{modality}=PATH."
        for modality, volume in study.volumes.items()
        if volume.is_synthetic
    ]
    volumes = {m: v for m, v in study.volumes.items() if not v.is_synthetic}
    return Study(volumes, subject=study.subject, notes=(*study.notes, *notes))


def parse_slices(text: str) -> Sequence[int] | None:
    """Give the slices of "40:60", ":60:2", "50" or "10,20", None for "all".

    Raises
    ------
    BadParameter
        If `text` is none of these.
    """
    if text == "all":
        return None
    try:
        slices = _range(text) if ":" in text else [int(n) for n in text.split(",")]
    except ValueError:
        slices = []
    if not slices or min(slices) < 0:
        raise typer.BadParameter(
            f"Slices are all, one (50), some (10,20) or from:to[:step] (40:60); "
            f"got {text!r}."
        )
    return slices


def _range(text: str) -> range:
    start, stop, *step = text.split(":")
    return range(int(start or 0), int(stop), *map(int, step))
