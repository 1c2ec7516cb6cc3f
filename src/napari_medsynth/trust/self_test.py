"""The hold-one-out self-test: hide what is there, make it again, compare."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.engine import predict
from napari_medsynth.engine.choose_slices import telling_slices
from napari_medsynth.engine.slices import PLANES
from napari_medsynth.errors import CardError, MedSynthError, VolumeError
from napari_medsynth.io import Study, Volume
from napari_medsynth.prepare import to_grid

from .scores import score
from .site import Row, SelfTest

if TYPE_CHECKING:
    from torch import nn

    from napari_medsynth.catalogue import ModelCard

LEAVE_ONE_OUT, ALL = "leave one out", "all"
Subject = tuple[str, Callable[[], Study]]
Trial = tuple[tuple[str, ...], tuple[str, ...]]  # sources, targets


@dataclass(frozen=True)
class SelfTestStep:
    """State of a self-test.

    Parameters
    ----------
    subject, n_subjects : int
        Which subject is worked on, from 1, of how many.
    share : float
        How much of the whole test is done, 0 to 1.
    sentence : str
        What is being done: "FLAIR of T1, T2".
    rows : tuple of Row
        What this step measured.
    """

    subject: int
    n_subjects: int
    share: float
    sentence: str
    rows: tuple[Row, ...] = ()


def self_test(
    subjects: Iterable[Subject],
    card: ModelCard,
    *,
    masks: str = LEAVE_ONE_OUT,
    plane: str = "axial",
    slices: int | None = None,
    model: nn.Module | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Generator[SelfTestStep, None, SelfTest]:
    """Measure how well a model makes what these subjects have.

    Parameters
    ----------
    subjects : iterable of (str, callable)
        Name for messages, and what reads the study when its turn comes.
    card : ModelCard
    masks : {"leave one out", "all"}
        Hide one contrast at a time; or show every subset of them, and make the rest.
        Of a model of fixed sources, both show those.
    plane : {"axial", "coronal", "sagittal"}
    slices : int, optional
        How many to make and compare, evenly spread over the middle of the subject; all
        by default.
    model, device, precision
        As `predict`.

    Yields
    ------
    SelfTestStep
        After every batch of slices.

    Returns
    -------
    SelfTest
        With one sentence for each subject that could not be used.

    Raises
    ------
    CardError
        If `masks` is neither.
    VolumeError
        If no subject could be used.
    """
    if masks not in (LEAVE_ONE_OUT, ALL):
        raise CardError(f"Masks are {LEAVE_ONE_OUT!r} or {ALL!r}; got {masks!r}.")
    listed = list(subjects)
    options = {"model": model, "device": device, "precision": precision}
    rows: list[Row] = []
    problems: list[str] = []
    for number, (name, read) in enumerate(listed, start=1):
        steps = _of_subject(read, card, masks, plane, slices, options)
        try:
            for share, sentence, found in steps:
                rows += found
                done = (number - 1 + share) / len(listed)
                yield SelfTestStep(number, len(listed), done, sentence, found)
        except MedSynthError as err:
            problems.append(f"{name}: {err}")
    if not rows:
        reasons = " ".join(problems) or "none was given."
        raise VolumeError(f"No subject can be used for a self-test: {reasons}")
    today = datetime.now(UTC).date().isoformat()
    return SelfTest(card.id, card.sha256, today, tuple(rows), tuple(problems))


def _of_subject(
    read: Callable[[], Study],
    card: ModelCard,
    masks: str,
    plane: str,
    slices: int | None,
    options: Mapping[str, Any],
) -> Generator[tuple[float, str, tuple[Row, ...]], None, None]:
    """Yield how much of the subject is done, what is being done, and new rows."""
    yield 0.0, "reading", ()
    study = _usable(read(), card)
    trials = _trials(study, card, masks)
    indices = _indices(study, plane, slices)
    subject = fingerprint(study[study.modalities[0]])
    for number, (sources, targets) in enumerate(trials):
        sentence = f"{', '.join(targets)} of {', '.join(sources)}"
        steps = predict(
            study,
            card,
            targets=targets,
            sources=sources,
            plane=plane,
            slices=indices,
            **options,
        )
        result = None
        while result is None:
            try:
                step = next(steps)
                share = (number + step.done / step.total) / len(trials)
                yield share, sentence, ()
            except StopIteration as finished:
                result = finished.value
        rows = []
        for target, made in result.volumes.items():
            found = score(made, study[target], plane, indices)
            numbers = (found.psnr, found.ssim, found.mae)
            rows.append(Row(subject, sources, target, *numbers, plane, len(indices)))
        yield (number + 1) / len(trials), sentence, tuple(rows)


def fingerprint(volume: Volume) -> str:
    """Tell subjects apart by their voxels: it says nothing of who it is."""
    return sha256(np.ascontiguousarray(volume.data).data).hexdigest()[:16]


def _usable(study: Study, card: ModelCard) -> Study:
    """Give the real scans that the model knows, on the grid of the first one.

    Raises
    ------
    VolumeError
        If they cannot be brought to one grid.
    """
    known = dict.fromkeys((*card.inputs, *card.outputs))
    volumes = {m: study[m] for m in known if m in study and not study[m].is_synthetic}
    real = Study(volumes, subject=study.subject)
    return to_grid(real, next(iter(volumes))) if volumes else real


def _trials(study: Study, card: ModelCard, masks: str) -> list[Trial]:
    """List what to show, and what to make of it.

    Raises
    ------
    VolumeError
        If the study has too little.
    """
    shown = [m for m in card.inputs if m in study]
    sizes = range(len(shown) - 1, 0, -1) if masks == ALL else [len(shown) - 1]
    subsets = [subset for size in sizes for subset in combinations(shown, max(size, 0))]
    trials = []
    for sources in subsets if card.is_unified else [card.inputs]:
        targets = tuple(m for m in card.outputs if m in study and m not in sources)
        if all(m in study for m in sources) and not card.why_not(sources, targets):
            trials.append((sources, targets))
    if not trials:
        raise VolumeError(
            f"{card.title} needs two real scans to test itself, of "
            f"{', '.join(dict.fromkeys((*card.inputs, *card.outputs)))}; there is "
            f"{', '.join(study.modalities) or 'none'}."
        )
    return trials


def _indices(study: Study, plane: str, slices: int | None) -> list[int]:
    if slices is not None:
        return telling_slices(study, plane, slices)
    return list(range(study[study.modalities[0]].shape[PLANES[plane]]))
