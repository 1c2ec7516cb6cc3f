"""Who is learnt from: subjects of a folder or a list, and who of them is held out."""

from __future__ import annotations

from napari_medsynth.errors import VolumeError

from .job import DataConfig
from .samples import Subject


def find_subjects(data: DataConfig, contrasts: tuple[str, ...]) -> tuple[Subject, ...]:
    """List the subjects of a job, those of its folder first."""
    return tuple(
        Subject(
            study.get("subject", f"subject-{number}"),
            {key: path for key, path in study.items() if key in contrasts},
        )
        for number, study in enumerate(data.studies, start=1)
    )


def split_subjects(
    subjects: tuple[Subject, ...], data: DataConfig, *, seed: int
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """Give the subjects to train on and those held out.

    Raises
    ------
    VolumeError
        If a held-out subject does not exist.
    """
    unknown = set(data.held_out) - {subject.name for subject in subjects}
    if unknown:
        raise VolumeError(
            f"There is no subject {', '.join(sorted(unknown))} to hold out."
        )
    train = tuple(s for s in subjects if s.name not in data.held_out)
    return train, tuple(s for s in subjects if s.name in data.held_out)
