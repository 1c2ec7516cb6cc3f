"""Who is learnt from where one good image is enough: restoration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.job import DataConfig

from .samples import Subject
from .scans import all_scans, person_of

ANY = ("image", "MR", "CT", "X-ray")  # outputs that every image in a folder can be


def single_subjects(data: DataConfig, card: ModelCard) -> tuple[Subject, ...]:
    """List every image that `card` can learn from, as a subject of its own.

    A file of the worse image, where a study names one, is used instead of one that is
    made up. In a folder, an output of `ANY` is every scan or picture; another one is
    every scan of that contrast. Scans of one BIDS subject, or in one folder of
    `data.folder`, are one person's.

    Raises
    ------
    VolumeError
        If there is none.
    """
    if not data.folder and not data.studies:
        return ()
    worse, good = card.inputs[0], card.outputs[0]
    found = [*_listed(data, worse, good), *_in_folder(data.folder, good)]
    if not any(good in subject.files for subject in found):
        raise VolumeError(
            f"No {good} was found in {data.folder or 'the list'}: it needs images to "
            "learn from."
        )
    return tuple(sorted(found, key=lambda subject: subject.name))


def _listed(data: DataConfig, worse: str, good: str) -> Iterator[Subject]:
    for number, study in enumerate(data.studies, start=1):
        files = {key: study[key] for key in (worse, good) if key in study}
        name = study.get("subject") or f"subject-{number}"
        yield Subject(name, files, study.get("person", ""))


def _in_folder(entry: str, good: str) -> Iterator[Subject]:
    if not entry:
        return
    root = Path(entry).expanduser().absolute()
    if not root.is_dir():
        raise VolumeError(f"{entry} is no folder: choose one with images.")
    for scan in all_scans(root, None if good in ANY else (good,)):
        name = "_".join(scan.path.relative_to(root).parts)
        yield Subject(name, {good: str(scan.path)}, person_of(scan, root))
