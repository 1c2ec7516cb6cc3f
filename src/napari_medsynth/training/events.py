"""What a training run tells: plain events, each one JSON line of ``--events``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    def to_json(self) -> dict[str, Any]:
        """Give JSON values; "event" is the class name in lower case."""
        return {"event": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Hello(Event):
    """The process is alive; torch, which takes seconds, is not loaded yet.

    Parameters
    ----------
    version : str
        Of napari-medsynth.
    process : int
        Its id.
    """

    version: str
    process: int


@dataclass(frozen=True)
class Note(Event):
    """One sentence that changed something: a smaller batch, another device, a problem.

    Parameters
    ----------
    text : str
    level : {"info", "warning"}
    """

    text: str
    level: str = "info"


@dataclass(frozen=True)
class Started(Event):
    """The data are read and the first step is about to be taken.

    Parameters
    ----------
    n_steps, n_epochs, steps_per_epoch : int
        To do, with those of a run that is continued.
    step : int
        Done already: above 0 when a run is continued.
    n_train, n_held_out : int
        Subjects.
    n_slices, n_parameters : int
        Slices per epoch; numbers that are trained.
    batch_size : int
        Slices per step, of all processes.
    device, precision : str
    folder : str
        Of the run.
    """

    n_steps: int
    n_epochs: int
    steps_per_epoch: int
    step: int
    n_train: int
    n_held_out: int
    n_slices: int
    n_parameters: int
    batch_size: int
    device: str
    precision: str
    folder: str


@dataclass(frozen=True)
class Step(Event):
    """One update of the weights.

    Parameters
    ----------
    step, epoch : int
        Counted from 1.
    losses : mapping
        Name to value; "total" is what is minimised.
    learning_rate : float
    samples_per_second : float
        Since the last step.
    seconds, eta : float
        Since the run was started or continued; still to go, with the looks at the
        held-out subjects [s].
    memory : float
        Of this process, or of the GPU it uses [GiB].
    """

    step: int
    epoch: int
    losses: Mapping[str, float]
    learning_rate: float
    samples_per_second: float
    seconds: float
    eta: float
    memory: float


@dataclass(frozen=True)
class Estimated(Event):
    """How long the run will take, measured on its first batches.

    Parameters
    ----------
    seconds : float
        Still to go, or, from `estimate`, the whole run [s].
    seconds_per_step, seconds_per_epoch_end : float
        Of one update; of a look at the held-out subjects after each epoch [s].
    n_epochs, steps_per_epoch : int
    batch_size : int
        Slices per step, of all processes.
    """

    seconds: float
    seconds_per_step: float
    seconds_per_epoch_end: float
    n_epochs: int
    steps_per_epoch: int
    batch_size: int

    def seconds_of(self, n_epochs: int) -> float:
        """Give how long a run of so many epochs would take [s]."""
        epoch = self.steps_per_epoch * self.seconds_per_step
        return n_epochs * (epoch + self.seconds_per_epoch_end)


@dataclass(frozen=True)
class Epoch(Event):
    """All slices were seen once more, a checkpoint is written.

    Parameters
    ----------
    epoch : int
        Counted from 1; 0 is the base model before training.
    train : mapping
        Mean losses of the epoch; empty for epoch 0.
    validation : mapping
        On held-out subjects: "mae" (of the range), "psnr" [dB]; empty without any.
    is_best : bool
        Whether these weights are the ones to keep so far.
    preview : str
        A ``.npz`` with source, truth, before, now (H, W) in [0, 1]; "" if none.
    """

    epoch: int
    train: Mapping[str, float]
    validation: Mapping[str, float]
    is_best: bool
    preview: str = ""


@dataclass(frozen=True)
class Judging(Event):
    """The guard rail compares base and tuned model.

    Parameters
    ----------
    done, total : int
        Predictions.
    """

    done: int
    total: int


@dataclass(frozen=True)
class Judged(Event):
    """The verdict, as `guard.Verdict.to_json` gives it."""

    verdict: Mapping[str, Any]


@dataclass(frozen=True)
class Done(Event):
    """The run has ended as it should.

    Parameters
    ----------
    pack : str
        The tuned weights, a pack in the run's folder.
    reason : {"finished", "stopped", "patience"}
    kept : str
        Id under which the model was installed; "" if it was not.
    """

    pack: str
    reason: str = "finished"
    kept: str = ""


@dataclass(frozen=True)
class Failed(Event):
    """The run has ended with an error, told in one sentence."""

    error: str


@dataclass(frozen=True)
class SubjectRead(Event):
    """One subject of the data report, as `report.SubjectReport.to_json` gives it."""

    report: Mapping[str, Any] = field(default_factory=dict)
