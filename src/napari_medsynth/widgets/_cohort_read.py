"""CohortReading: looks at every subject once, in a worker thread."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from ._open_layers import write_files
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume
    from napari_medsynth.training import DataConfig
    from napari_medsynth.training.data.report import SubjectReport
    from napari_medsynth.training.data.samples import Subject


@dataclass(frozen=True, eq=False)
class CohortQuestion:
    """What to look at, as plain data.

    Parameters
    ----------
    data : DataConfig
        Folder, alignment, and who is held out.
    card : ModelCard
        The base model: its contrasts and how it prepares them.
    volumes : mapping
        Contrast to volume of each open subject, which are written to `staging` first.
    staging : Path or None
        Folder for that.
    asks_contrasts : bool
        Whether to say too which contrasts the folder has.
    """

    data: DataConfig
    card: ModelCard
    volumes: Mapping[str, Mapping[str, Volume]] = field(default_factory=dict)
    staging: Path | None = None
    asks_contrasts: bool = False


@dataclass(frozen=True)
class ContrastsFound:
    """All contrasts in a folder, by the names of the files."""

    contrasts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CohortFound:
    """The subjects that there are, before they are read, and who is held out."""

    subjects: tuple[Subject, ...]
    held_out: frozenset[str]


class CohortReading(QObject):
    """One look at a cohort.

    Signals: `contrasts_found` with a tuple, if it was asked for; `found` with a
    `CohortFound`; `subject_read` with a report of each subject;
    `split` with the names to hold out of those that can be used; and once, last,
    `ended`: with a sentence if it failed, with "" otherwise.
    """

    contrasts_found = Signal(object)
    found = Signal(object)
    split = Signal(object)
    subject_read = Signal(object)
    ended = Signal(str)

    def __init__(self, question: CohortQuestion, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._question = question
        self._worker: GeneratorWorker | None = None
        self._outcome = ""

    def start(self) -> None:
        """Start the worker."""
        slots: Slots = {
            "yielded": self._on_yielded,
            "returned": self._on_returned,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        self._worker = start_worker(read_cohort, self._question, slots=slots)

    def abandon(self) -> None:
        """Stop after the subject that is being read, and say nothing any more."""
        worker, self._worker = self._worker, None
        let_go(worker)

    def _on_yielded(self, step: ContrastsFound | CohortFound | SubjectReport) -> None:
        if isinstance(step, ContrastsFound):
            self.contrasts_found.emit(step.contrasts)
        elif isinstance(step, CohortFound):
            self.found.emit(step)
        else:
            self.subject_read.emit(step)

    def _on_returned(self, held_out: frozenset[str]) -> None:
        self.split.emit(held_out)

    def _on_errored(self, error: Exception) -> None:
        self._outcome = tell_error(error)

    def _on_finished(self) -> None:
        self._worker = None
        self.ended.emit(self._outcome)


def read_cohort(
    question: CohortQuestion,
) -> Generator[ContrastsFound | CohortFound | SubjectReport, None, frozenset[str]]:
    """Find the subjects, and then look at one after the other. For a worker thread.

    Returns the names to hold out of the subjects that can be used.

    Raises
    ------
    VolumeError
        If there is no subject that can be used.
    """
    from napari_medsynth.training.data.cohort import split_for, subjects_for
    from napari_medsynth.training.data.report import report_subjects
    from napari_medsynth.training.data.scans import contrasts_in

    data, card = question.data, question.card
    if question.asks_contrasts:
        yield ContrastsFound(contrasts_in(Path(data.folder)))
    if question.volumes and question.staging is not None:
        data = replace(data, studies=_written(question.volumes, question.staging))
    subjects = subjects_for(data, card)
    names = _names(split_for(data, card, subjects, seed=0)[1])
    yield CohortFound(subjects, names)
    usable = yield from report_subjects(
        subjects, card, align=data.align, held_out=names, pairing=data.pairing
    )
    return _names(split_for(data, card, usable, seed=0)[1])


def _written(
    subjects: Mapping[str, Mapping[str, Volume]], staging: Path
) -> tuple[dict[str, str], ...]:
    """Write open subjects as files; give the studies. Equal grids are one person's."""
    studies: list[dict[str, str]] = []
    persons: dict[object, str] = {}
    for number, (name, volumes) in enumerate(subjects.items(), start=1):
        folder = staging if len(subjects) == 1 else staging / f"subject-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        files = write_files(volumes, folder)
        first = next(iter(volumes.values()))
        grid = (first.shape, first.spacing, first.origin)
        is_flat = min(first.shape) == 1  # radiographs of many people are of one size
        person = name if is_flat else persons.setdefault(grid, name)
        studies.append({"subject": name, "person": person, **files})
    return tuple(studies)


def _names(subjects: Iterable[Subject]) -> frozenset[str]:
    return frozenset(subject.name for subject in subjects)


def contrasts_of(card: ModelCard) -> tuple[str, ...]:
    """Give all contrasts that a model takes or makes."""
    return tuple(dict.fromkeys((*card.inputs, *card.outputs)))
