"""ModelKeeper: installs a tuned model, in a thread."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._run_folder import RunFolder
from ._worker import Slots, let_go, start_worker, tell_error

if TYPE_CHECKING:
    from napari.qt.threading import GeneratorWorker

    from napari_medsynth.catalogue import ModelPack
# Nobody was held out, or the comparison did not come to its end.
NO_VERDICT = {
    "verdict": "",
    "sentence": "Nothing says whether it is better than the base model: no subject "
    "was held out, or the comparison was not finished.",
}

# What was trained from fresh weights was no model before.
NEW_MODEL = {
    "verdict": "new",
    "sentence": "It was made from fresh weights, so that there is no base model to be "
    "better than. Look at the pictures, and keep it if they convince you.",
}


class ModelKeeper(QObject):
    """Makes the model of a run one of the user's models.

    Signals: `kept` with its ModelPack, or `failed` with a sentence.
    """

    kept = Signal(object)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: GeneratorWorker | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a model is being installed."""
        return self._worker is not None

    def keep(self, folder: Path, verdict: Mapping[str, Any], title: str) -> None:
        """Install the model of the run in `folder`; a signal says what came of it."""
        slots: Slots = {
            "returned": self.kept.emit,
            "errored": self._on_errored,
            "finished": self._on_finished,
        }
        data = (folder, dict(verdict), id_of(title), title)
        self._worker = start_worker(_keep, *data, slots=slots)

    def abandon(self) -> None:
        """Let it end unheard."""
        worker, self._worker = self._worker, None
        let_go(worker, stops=False)

    def _on_errored(self, error: Exception) -> None:
        self.failed.emit(tell_error(error))

    def _on_finished(self) -> None:
        self._worker = None


def id_of(title: str) -> str:
    """Make an id of a title: lower case, with hyphens; `keep` makes it unique."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "tuned"


def verdict_of(folder: RunFolder) -> dict[str, str]:
    """Give what is told of a run that was compared with nothing."""
    if folder.has_base:
        return NO_VERDICT
    measured = folder.last("epoch").get("validation") or {}
    if "psnr" not in measured:
        return NEW_MODEL
    numbers = f"On the held-out subjects: PSNR {measured['psnr']:.2f} dB"
    return {**NEW_MODEL, "sentence": f"{NEW_MODEL['sentence']} {numbers}."}


def _keep(
    folder: Path, verdict: dict[str, Any], card_id: str, title: str
) -> Generator[None, None, ModelPack]:
    yield
    from ._torch import load_torch

    load_torch()  # the guard rail's modules import it: seconds, but not of the window
    from napari_medsynth.training.guard.keep import keep
    from napari_medsynth.training.guard.verdict import Verdict

    judged = Verdict.from_json(verdict) if verdict else None
    return keep(folder, judged, id=card_id, title=title)
