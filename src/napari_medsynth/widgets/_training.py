"""Training: what happens between the buttons of the Fine-tune dock and its process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_medsynth.errors import MedSynthError

from ._before_after import BeforeAfter
from ._keep_model import ModelKeeper, id_of, verdict_of
from ._process import TrainingProcess, is_leaving
from ._run_folder import RunFolder
from ._training_job import make_job
from ._training_pace import TrainingPace
from ._worker import tell_error
from .parts.cohort_box import CohortBox
from .parts.learn_box import LearnBox
from .parts.verdict_box import VerdictBox
from .parts.watch_box import WatchBox

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelPack
    from napari_medsynth.training.job import TrainJob

_LOOK_AGAIN = 500  # ms
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Boxes:
    """The four parts of the dock and the layers that show a held-out slice."""

    cohort: CohortBox
    learn: LearnBox
    watch: WatchBox
    verdict: VerdictBox
    preview: BeforeAfter


class Training(QObject):
    """Starts, stops, continues, keeps and discards one run at a time.

    ``changed`` is emitted when it becomes busy or free, and when `folder` changes;
    ``moved_to`` with the box that the user now wants to see.

    Parameters
    ----------
    boxes : Boxes
    make_process : callable
        Gives a new process; tests give one that does not train.
    """

    changed = Signal()
    moved_to = Signal(QWidget)

    def __init__(
        self,
        boxes: Boxes,
        *,
        make_process: Callable[[], TrainingProcess] = TrainingProcess,
    ) -> None:
        super().__init__()
        self._boxes = boxes
        self._make_process = make_process
        self._process: TrainingProcess | None = None
        self._keeper = ModelKeeper(self)
        self._keeper.kept.connect(self._on_kept)
        self._keeper.failed.connect(self._on_not_kept)
        self._verdict: Mapping[str, Any] = {}
        self._is_discarding = False
        self._started: dict[str, Any] = {}
        self.pace: TrainingPace | None = None  # of the last run, for estimates
        self.folder: RunFolder | None = None  # of the run that is not decided yet
        self._look_timer = QTimer(self)
        self._look_timer.setSingleShot(True)
        self._look_timer.setInterval(_LOOK_AGAIN)
        self._look_timer.timeout.connect(self._look)
        boxes.watch.start_clicked.connect(self.start)
        boxes.watch.resume_clicked.connect(self.resume)
        boxes.watch.stop_and_keep_clicked.connect(self.stop_and_keep)
        boxes.watch.stop_and_discard_clicked.connect(self.stop_and_discard)
        boxes.watch.look_clicked.connect(boxes.preview.look)
        boxes.preview.said.connect(boxes.watch.say)
        boxes.verdict.keep_clicked.connect(self.keep)
        boxes.verdict.discard_clicked.connect(self.discard)

    @property
    def is_busy(self) -> bool:
        """Whether a model is being trained."""
        return self._process is not None

    def start(self) -> None:
        """Train what is chosen; if this is impossible, say why."""
        boxes = self._boxes
        if self.is_busy or boxes.cohort.reason() or boxes.learn.reason():
            return
        job_id = id_of(boxes.learn.name())
        folder = RunFolder.new(job_id)
        try:
            self._launch(
                make_job(boxes.cohort, boxes.learn, job_id, folder.path), folder
            )
        except MedSynthError as err:
            folder.remove()
            boxes.watch.end(tell_error(err))

    def resume(self) -> None:
        """Continue the last run."""
        if self.is_busy or self.folder is None:
            return
        try:
            self._launch(self.folder.read_job(), self.folder, resume=True)
        except MedSynthError as err:
            self._boxes.watch.offer_resume(None)
            self._boxes.watch.end(tell_error(err))

    def stop_and_keep(self) -> None:
        """Train no longer, and compare what was learnt so far with the base."""
        if self._process is not None:
            self._process.finish()

    def stop_and_discard(self) -> None:
        """End the run at once and delete its folder."""
        if self._process is not None:
            self._is_discarding = True
            self._process.kill()

    def keep(self, title: str) -> None:
        """Install the tuned model under a new name."""
        if self.folder is None or self._keeper.is_busy:
            return
        self._boxes.verdict.setEnabled(False)
        self._boxes.verdict.say("Keeping\N{HORIZONTAL ELLIPSIS}")
        self._keeper.keep(self.folder.path, self._verdict, title)

    def discard(self) -> None:
        """Delete the run that was judged."""
        if self.is_busy or self.folder is None:
            return
        self.folder.remove()
        self._decided()
        self._boxes.verdict.end("Discarded; the base model is as it was.")

    def remember(self, path: str) -> None:
        """Offer the run that an earlier dock left in `path`, if there is something."""
        if path and not self.is_busy:
            self.folder = RunFolder(Path(path))
            self._look()

    def show_estimate(self) -> None:
        """Say how long what is chosen will take, if that was measured once."""
        learn = self._boxes.learn
        if self.pace is not None:
            learn.show_estimate(self.pace.seconds(learn.base(), learn.config()))

    def close(self) -> None:
        """Let the process stop by itself, and touch no widget again."""
        process, self._process = self._process, None
        with suppress(RuntimeError):  # when Python exits, Qt may have deleted them
            if process is not None:
                process.abandon()
            self._look_timer.stop()
            self._keeper.abandon()
            self._boxes.preview.abandon()

    def _launch(
        self, job: TrainJob, folder: RunFolder, *, resume: bool = False
    ) -> None:
        if resume:
            folder.forget_verdict()
        process = self._make_process()
        process.event_came.connect(self._on_event)
        process.ended.connect(self._on_ended)
        process.start(job, folder.path, resume=resume)
        boxes = self._boxes
        self._process, self.folder = process, folder
        self._verdict, self._is_discarding = {}, False
        boxes.watch.offer_resume(None)
        boxes.watch.start(job.title)
        for event in folder.curves() if resume else ():
            boxes.watch.plot.add_event(event)
        boxes.verdict.clear()
        boxes.verdict.set_title(job.title)
        boxes.preview.close()
        self._set_editable(False)
        self.moved_to.emit(boxes.watch)

    def _on_event(self, event: dict[str, Any]) -> None:
        boxes, kind = self._boxes, event["event"]
        boxes.watch.show_event(event)
        if kind == "started":
            self._started = event
        elif kind == "estimated":
            learn = boxes.learn
            told = {"base": learn.base(), "device": learn.config().device}
            self.pace = TrainingPace.measured(self._started, event, **told) or self.pace
            self.show_estimate()
        elif kind == "epoch" and event.get("preview"):
            boxes.preview.show(event["preview"], model=boxes.learn.base())
        elif kind == "judged":
            self._verdict = event["verdict"]

    def _on_ended(self, outcome: str, sentence: str) -> None:
        process, self._process = self._process, None
        folder = self.folder
        if process is not None:
            process.deleteLater()
        self._boxes.watch.end(sentence)
        self._set_editable(True)
        if folder is None:
            return
        if self._is_discarding:
            folder.remove()
            self._decided()
            self._boxes.preview.close()
            self._boxes.watch.say("Stopped and discarded; the base model is unchanged.")
            return
        _log.info("%s: %s", folder.path, outcome)
        is_judged = outcome in ("done", "stopped")
        self._ask(folder, is_judged=is_judged)
        if is_judged and folder.has_model:
            self.moved_to.emit(self._boxes.verdict)

    def _look(self) -> None:
        """Look what the last run left: a model to decide about, or half a training."""
        folder = self.folder
        if folder is None or self.is_busy:
            return
        if is_leaving(folder.path):
            self._look_timer.start()
        elif folder.is_owned:
            self._boxes.watch.say("Another window is training the last model.")
        else:
            self._verdict = folder.verdict()
            self._ask(folder, is_judged=folder.is_finished or bool(self._verdict))

    def _ask(self, folder: RunFolder, *, is_judged: bool) -> None:
        """Ask what to do with a run that has ended: keep, discard, or continue it."""
        if is_judged and folder.has_model:
            self._show_verdict(folder)
        if folder.has_checkpoint and not folder.is_finished:
            self._offer(folder)
        elif not (is_judged and folder.has_model):
            self._decided()

    def _show_verdict(self, folder: RunFolder) -> None:
        verdict = self._boxes.verdict
        verdict.set_title(verdict.title or folder.title)
        verdict.show_verdict(self._verdict or verdict_of(folder))
        verdict.show_preview(folder.preview)

    def _offer(self, folder: RunFolder) -> None:
        where = folder.progress()
        place = f" {where}" if where else ""
        self._boxes.watch.offer_resume(f"“{folder.title}” was stopped{place}.")

    def _decided(self) -> None:
        """Forget the run: there is nothing left to do with it."""
        self.folder = None
        self._boxes.watch.offer_resume(None)
        self.changed.emit()

    def _set_editable(self, is_editable: bool) -> None:
        self._boxes.cohort.setEnabled(is_editable)
        self._boxes.learn.setEnabled(is_editable)
        self.changed.emit()

    def _on_kept(self, pack: ModelPack) -> None:
        if self.folder is not None:
            self.folder.forget_checkpoint()
        self._decided()
        self._boxes.learn.model_box.refresh()
        where = "Synthesize"
        if pack.card.is_restoration:
            where = "Super-resolve and denoise"
        self._boxes.verdict.setEnabled(True)
        self._boxes.verdict.end(
            f"Kept as “{pack.card.title}” ({pack.card.id}): choose it in {where}."
        )

    def _on_not_kept(self, sentence: str) -> None:
        self._boxes.verdict.setEnabled(True)
        self._boxes.verdict.say(sentence)
