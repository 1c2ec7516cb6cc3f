"""The guard rail: is the tuned model better than its base, and what did it forget?"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study
from napari_medsynth.simulate import MODALITIES, sample_study
from napari_medsynth.training.data.restoration import degraded_study
from napari_medsynth.training.data.samples import Subject, contrasts_of
from napari_medsynth.training.data.slices import on_one_grid, read_contrast
from napari_medsynth.training.events import Judging

from .comparison import Contender, Scores, compare
from .comparison import contender_of as contender_of
from .trials import Trial, list_trials, n_leave_one_out
from .verdict import MEASURES, Comparison, Row, Verdict, reach_verdict

N_SLICES, MIN_SLICES = 24, 8  # of each subject
N_SAMPLE_SLICES = 12
BUDGET = 1000  # slices that both models synthesise: 40 s of two cores for the starter

Trials = tuple[Trial, ...]


def judge(
    base: Contender,
    tuned: Contender,
    subjects: Sequence[Subject],
    *,
    targets: Collection[str] = (),
    plane: str = "axial",
    align: str = "header",
    availability: str = "all",
    seed: int = 0,
    sample: Study | None = None,
    budget: int = BUDGET,
) -> Generator[Judging, None, Verdict]:
    """Compare a tuned model with its base, on subjects that neither has seen.

    Each model is asked for every contrast of every subject, from every combination of
    the others that the budget allows, as `predict` does it for users. The truth's own
    percentile range is the data range, its foreground the mask. Then both do the base's
    own task, all its targets, on the simulated sample study.

    Parameters
    ----------
    base, tuned : Contender
        See `contender_of`.
    subjects : sequence of Subject
        Held out in training; those that cannot be read are left out with a note.
    targets : collection of str
        What was trained; all outputs if empty.
    plane : str
        How slices are cut.
    align : {"header", "rigid"}
        As in training.
    availability : {"all", "leave-one-out"}
        Masks that count.
    seed : int
        Of the bootstrap.
    sample : Study, optional
        Stands for the sample study.
    budget : int
        Slices that both models synthesise, about. Masks that hide one contrast are
        measured anyway, and `MIN_SLICES` of every subject.

    Yields
    ------
    Judging
        Before the first prediction and after each.

    Returns
    -------
    Verdict
        By the rules of `verdict.decide` and `verdict.has_forgotten`.

    Raises
    ------
    EngineError, DeviceMemoryError
        If a network fails.

    Notes
    -----
    Held-out subjects also choose the epoch that is kept, so that a gain looks a little
    larger than it is.
    """
    pair = base, tuned
    plan = [
        (subject, _shared(tuned, base, _present(subject, tuned), targets, availability))
        for subject in subjects
    ]
    plan, n_slices, notes = _affordable(plan, budget)
    own_task = _own_task(base, tuned, sample)
    progress = _Progress(2 * (sum(len(t) for _, t in plan) + len(own_task)))
    yield progress.event
    held_out = yield from _on_subjects(
        pair, plan, plane, n_slices, align, notes, progress
    )
    forgetting = Comparison()
    if own_task:
        forgetting = yield from _on_sample(
            pair, own_task, plane, sample or sample_study(), progress
        )
    return reach_verdict(held_out, forgetting, seed=seed, plane=plane, notes=notes)


@dataclass
class _Progress:
    """Predictions done and to do."""

    total: int
    done: int = 0

    @property
    def event(self) -> Judging:
        return Judging(self.done, self.total)


def _present(subject: Subject, contender: Contender) -> tuple[str, ...]:
    """Give the contrasts that a subject has, and the worse image made of a good one."""
    card = contender.card
    is_made = card.is_restoration and card.outputs[0] in subject.files
    return (*subject.files, *(card.inputs if is_made else ()))


def _shared(
    first: Contender,
    second: Contender,
    present: Collection[str],
    targets: Collection[str],
    availability: str,
) -> Trials:
    """List the trials of `first` that `second` can do too."""
    trials = list_trials(first.card, present, targets, availability=availability)
    return tuple(t for t in trials if not second.card.why_not(t.sources, t.targets))


def _own_task(base: Contender, tuned: Contender, sample: Study | None) -> Trials:
    """List what the base is asked on the sample study: masks that hide one contrast."""
    present = sample.modalities if sample is not None else MODALITIES
    return _shared(base, tuned, present, (), "leave-one-out")


def _affordable(
    plan: Sequence[tuple[Subject, Trials]], budget: int
) -> tuple[list[tuple[Subject, Trials]], int, list[str]]:
    """Keep to the budget: fewer masks first, then fewer slices; say what was left."""
    notes = [
        f"{subject.name} has no source and target of the model and was not measured."
        for subject, trials in plan
        if not trials
    ]
    plan = [(subject, trials) for subject, trials in plan if trials]
    if not plan:
        return [], N_SLICES, notes
    most = max(len(trials) for _, trials in plan)
    needed = max(n_leave_one_out(trials) for _, trials in plan)
    each = budget // (2 * len(plan))
    n_trials = int(np.clip(each // N_SLICES, needed, most))
    n_slices = int(np.clip(each // n_trials, MIN_SLICES, N_SLICES))
    if n_trials < most:
        notes.append(
            f"To save time, {n_trials} of {most} combinations of sources were measured."
        )
    return [(subject, trials[:n_trials]) for subject, trials in plan], n_slices, notes


def _on_subjects(
    pair: tuple[Contender, Contender],
    plan: Sequence[tuple[Subject, Trials]],
    plane: str,
    n_slices: int,
    align: str,
    notes: list[str],
    progress: _Progress,
) -> Generator[Judging, None, Comparison]:
    """Measure the held-out subjects; sessions of one person count together."""
    rows: list[Row] = []
    people: dict[str, list[Scores]] = {}
    for subject, trials in plan:
        before = progress.done
        try:
            study = read_subject(subject, pair[1].card, align=align)
            steps = compare(*pair, study, trials, plane=plane, n_slices=n_slices)
            found, differences = yield from _counted(steps, progress)
        except VolumeError as err:
            notes.append(f"{subject.name} was not measured: {err}")
        else:
            rows += found
            people.setdefault(subject.person or subject.name, []).append(differences)
        if progress.done < before + 2 * len(trials):
            progress.done = before + 2 * len(trials)
            yield progress.event
    joined = {
        m: [np.concatenate([one[m] for one in scans]) for scans in people.values()]
        for m in MEASURES
    }
    return Comparison(rows, joined)


def _on_sample(
    pair: tuple[Contender, Contender],
    trials: Trials,
    plane: str,
    sample: Study,
    progress: _Progress,
) -> Generator[Judging, None, Comparison]:
    planes = pair[0].card.planes
    plane = plane if plane in planes else planes[0]
    steps = compare(*pair, sample, trials, plane=plane, n_slices=N_SAMPLE_SLICES)
    rows, differences = yield from _counted(steps, progress)
    return Comparison(rows, {m: [values] for m, values in differences.items()})


def _counted(
    steps: Generator[None, None, tuple[list[Row], Scores]], progress: _Progress
) -> Generator[Judging, None, tuple[list[Row], Scores]]:
    """Turn the steps of a comparison into events."""
    with closing(steps):
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                found: tuple[list[Row], Scores] = finished.value
                return found
            progress.done += 1
            yield progress.event


def read_subject(subject: Subject, card: ModelCard, *, align: str) -> Study:
    """Read a subject's scans and put them on the grid of the first contrast.

    For restoration, the worse image is made of the good one unless it is there.

    Raises
    ------
    VolumeError
        If one cannot be read, or they do not share a field of view.
    """
    volumes = {
        c: read_contrast(subject, c) for c in contrasts_of(card) if c in subject.files
    }
    study = Study(volumes, subject=subject.name)
    if card.is_restoration and card.inputs[0] not in volumes:
        return degraded_study(study, card)
    return on_one_grid(study, next(iter(volumes)), align)
