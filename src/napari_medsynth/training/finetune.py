"""Fine-tune: read the subjects, train, compare with the base, keep what is better."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_medsynth.catalogue import (
    ModelCard,
    ModelPack,
    get_pack,
    read_pack,
)
from napari_medsynth.errors import EngineError

from .card import fresh_card
from .check_recipe import check_recipe
from .data.subjects import held_out_of, read_subjects
from .events import Done, Event, Judged, Note
from .folder import CHECKPOINT, JOB, VERDICT, is_first_process, open_folder, write_json
from .job import SUFFIX, TrainJob

if TYPE_CHECKING:
    from .guard.verdict import Verdict

Keep = Literal["better", "always", "never"]
Steps = Generator[Event, str | None, Done]


def finetune(
    job: TrainJob,
    *,
    folder: Path,
    resume: bool = False,
    keep: Keep = "better",
    report: bool = True,
) -> Steps:
    """Train a model on local subjects and keep it if it is worth it.

    ``send("stop")`` ends the run after the current step, with a checkpoint;
    ``send("finish")`` ends only the training: what was learnt so far is judged and
    kept. Say it with every event until the generator returns.

    Parameters
    ----------
    job : TrainJob
    folder : Path
        Of the run: everything is written there.
    resume : bool
        Continue the run of this folder, if it has a checkpoint.
    keep : {"better", "always", "never"}
        When the tuned model is installed: if it is better than the base on subjects
        that were held out; also if it is not; not by itself.
    report : bool
        Read each subject once before; those that cannot be used are left out.

    Yields
    ------
    Event
        `SubjectRead` for each subject, those of `loop.train`, `Judging`, `Judged`.

    Returns
    -------
    Done

    Raises
    ------
    MedSynthError
        As `loop.train`; the last good checkpoint stays.
    """
    card, is_first = card_of(job), is_first_process(job)
    if is_first:
        open_folder(job, folder, resume=resume)
        if resume and not (folder / CHECKPOINT).is_file():
            yield Note("There is no checkpoint yet: the run starts from the beginning.")
    with _one_sentence(folder):
        explicit: TrainJob | None = job
        is_paired = job.data.pairing == "paired"  # else there is nothing to compare
        if report and is_paired and (job.data.folder or job.data.studies):
            explicit = yield from read_subjects(job, card, folder)
        if explicit is None:
            return Done("", "stopped")
        told = job if is_first else None
        done, is_stopped = yield from _train(explicit, folder, told, resume=resume)
        if is_stopped or not is_first:
            return done
        return (yield from _judge_and_keep(explicit, folder, done, keep))


def find_pack(base: str) -> ModelPack:
    """Give the pack of an installed model's id, or of a path.

    Raises
    ------
    CardError, WeightsError
        If it does not exist or is damaged.
    """
    return read_pack(base) if base.endswith(SUFFIX) else get_pack(base)


def card_of(job: TrainJob) -> ModelCard:
    """Give the card of what a job trains, before anything heavy is loaded.

    Raises
    ------
    CardError, WeightsError
        If the base does not exist or is damaged, or the recipe cannot work with it.
    """
    card = find_pack(job.base).card if job.base else None
    if job.network is not None:
        card = fresh_card(job, job.network)
    if card is None:  # TrainJob has checked: one of the two is there
        raise ValueError("a job needs a base or a network")
    check_recipe(job.learn, card)
    return card


@contextmanager
def _one_sentence(folder: Path) -> Iterator[None]:
    """Say in one sentence what neither the loop nor the readers foresaw."""
    try:
        yield
    except OSError as err:
        raise EngineError(
            f"{err.filename or folder} cannot be read or written ({err.strerror}): "
            "free some space and resume; the last good checkpoint was kept."
        ) from err
    except (RuntimeError, MemoryError) as err:
        first_line = (str(err).strip().splitlines() or [type(err).__name__])[0]
        raise EngineError(
            f"Training failed ({first_line}): resume from the last checkpoint; "
            "log.txt in the run's folder has the details."
        ) from err


def _train(
    job: TrainJob, folder: Path, told: TrainJob | None, *, resume: bool
) -> Generator[Event, str | None, tuple[Done, bool]]:
    """Train; say too whether the run is to end now, without a verdict."""
    from .loop import train  # imports torch: seconds, so after the subjects

    command: str | None = None
    is_finishing = False
    with closing(train(job, folder=folder, resume=resume)) as steps:
        while True:
            try:
                event = steps.send(command)
            except StopIteration as finished:
                done: Done = finished.value
                return done, done.reason == "stopped" and not is_finishing
            if told is not None:  # accepted: more epochs than before, for example
                write_json(folder / JOB, told.to_json())
                told = None
            wish = yield event
            is_finishing = wish == "finish"
            command = "stop" if wish else None


def _judge_and_keep(job: TrainJob, folder: Path, done: Done, keep: Keep) -> Steps:
    """Compare with the base on the held-out subjects, and install what is worth it."""
    verdict = None
    if job.base:
        verdict = yield from _judge(job, folder, done)
        if verdict is None:
            return replace(done, reason="stopped")
        yield Judged(verdict.to_json())
    elif keep == "better":
        yield Note(
            "The model was made from nothing, so that there is no base to be better "
            "than: it is installed with --keep always, or by medsynth models import."
        )
    is_better = verdict is not None and verdict.verdict == "better"
    if keep == "never" or (keep == "better" and not is_better):
        return done
    from .guard.keep import keep as install

    pack = install(folder, verdict, id=job.id, title=job.title)
    return replace(done, kept=pack.card.id)


def _judge(
    job: TrainJob, folder: Path, done: Done
) -> Generator[Event, str | None, Verdict | None]:
    """Give the verdict, and write it into the folder; None if stopped."""
    from .guard.judge import contender_of, judge

    base, tuned = (
        contender_of(pack, device=job.learn.device)
        for pack in (find_pack(job.base), read_pack(done.pack))
    )
    steps = judge(
        base,
        tuned,
        held_out_of(job, base.card),
        targets=job.targets,
        plane=job.data.planes[0],
        align=job.data.align,
        availability=job.learn.availability,
        seed=job.learn.seed,
    )
    with closing(steps):
        while True:
            try:
                event = next(steps)
            except StopIteration as finished:
                verdict: Verdict = finished.value
                break
            if (yield event) == "stop":
                return None
    write_json(folder / VERDICT, verdict.to_json())
    return verdict
