"""Watch: what is asked of the network after every epoch, and what was best so far."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_medsynth.catalogue import ModelCard

from .data.samples import SubjectSlices
from .job import TrainJob
from .validate import Preview, Validation


class Watch:
    """The same questions after every epoch, and the epoch that answered them best.

    Parameters
    ----------
    job : TrainJob
    card : ModelCard
    subjects : sequence of SubjectSlices
        Who is asked about; () in the processes that do not tell.
    model : Module
        As it is before it learns.
    device : torch.device
        Where it is.
    is_held_out : bool
        Whether `subjects` are not trained on: else one slice is only shown.
    """

    def __init__(
        self,
        job: TrainJob,
        card: ModelCard,
        subjects: Sequence[SubjectSlices],
        model: nn.Module,
        device: torch.device,
        *,
        is_held_out: bool,
    ) -> None:
        self._device = device
        self._validation = Validation(
            card, subjects, targets=job.targets, plane=job.data.planes[0]
        )
        self.is_validated = is_held_out and len(self._validation) > 0
        self.best_epoch, self._best = 0, float("inf")
        self._preview: Preview | None = None
        if len(self._validation):
            self._preview = Preview(self._validation.first, model, device)

    def measure(self, model: nn.Module) -> dict[str, float]:
        """Give "mae" and "psnr" [dB] of held-out subjects; {} without any."""
        if not self.is_validated:
            return {}
        return self._validation.measure(model, self._device)

    def is_best(self, validation: dict[str, float]) -> bool:
        """Whether these values are the best so far; without any, the last ones are."""
        return not self.is_validated or validation.get("mae", float("inf")) < self._best

    def remember(self, epoch: int, validation: dict[str, float]) -> None:
        """Take an epoch for the best so far."""
        self.best_epoch, self._best = epoch, validation.get("mae", 0.0)

    def show(self, path: Path, model: nn.Module) -> str:
        """Write the preview; give its path, "" if there is nothing to show."""
        if self._preview is None:
            return ""
        self._preview.write(path, model, self._device)
        return str(path)

    def state_dict(self) -> dict[str, Any]:
        """Give all that `load_state_dict` needs."""
        shown = self._preview
        return {
            "best": self._best,
            "best_epoch": self.best_epoch,
            **({"before": torch.from_numpy(shown.before)} if shown else {}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self._best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        if self._preview is not None and "before" in state:
            self._preview.before = state["before"].numpy()
