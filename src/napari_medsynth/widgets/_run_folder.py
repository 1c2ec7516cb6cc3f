"""RunFolder: what one training run leaves on the disk, and how far it came."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from napari_medsynth.catalogue import user_folder
from napari_medsynth.errors import VolumeError

if TYPE_CHECKING:
    from napari_medsynth.training.job import TrainJob

_JOB, _EVENTS, _LOG, _OWNER = "job.json", "events.jsonl", "log.txt", "owner.pid"
_VERDICT, _CHECKPOINT = "verdict.json", "checkpoint.pt"
_PACK, _PREVIEW = "tuned.safetensors", "preview.npz"
_TAIL = 256 * 1024  # bytes of the events that are looked at
_MOST_STEPS = 1000  # points of a curve that is drawn again
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Parameters
    ----------
    path : Path
        It may not exist yet.
    """

    path: Path

    @classmethod
    def new(cls, job_id: str) -> RunFolder:
        """Give the place for a new run, in the user's folder."""
        now = datetime.now().astimezone()
        path = user_folder() / "runs" / f"{job_id}-{now:%Y%m%d-%H%M%S}"
        number = 1
        while path.exists():  # two within one second
            number += 1
            path = path.with_name(f"{job_id}-{now:%Y%m%d-%H%M%S}-{number}")
        return cls(path)

    @property
    def log(self) -> Path:
        """What the child wrote to stderr."""
        return self.path / _LOG

    @property
    def preview(self) -> Path:
        """Source, truth, before and now of one held-out slice."""
        return self.path / _PREVIEW

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run can be continued."""
        return (self.path / _CHECKPOINT).is_file()

    @property
    def has_model(self) -> bool:
        """Whether there are weights that could be kept."""
        return (self.path / _PACK).is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run went to its end and has a model to keep."""
        done = self.last("done")
        return bool(done) and done.get("reason") != "stopped" and self.has_model

    @property
    def title(self) -> str:
        """What the new model was to be called."""
        return str(_read(self.path / _JOB).get("title") or self.path.name)

    @property
    def has_base(self) -> bool:
        """Whether the run started from a model, and not from fresh weights."""
        return bool(_read(self.path / _JOB).get("base"))

    @property
    def is_owned(self) -> bool:
        """Whether a process trains in it right now."""
        try:
            pid = int((self.path / _OWNER).read_text(encoding="ascii"))
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return False
        return str(self.path) in command

    def write_job(self, job: TrainJob) -> Path:
        """Write ``job.json``, whole or not at all, and give its path.

        Raises
        ------
        VolumeError
            If this is impossible.
        """
        path = self.path / _JOB
        temporary = path.with_suffix(".part")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(job.to_json(), indent=1), encoding="utf-8")
            temporary.replace(path)
        except OSError as err:
            raise VolumeError(
                f"The run's folder, {self.path}, cannot be written: {err.strerror}."
            ) from err
        return path

    def read_job(self) -> TrainJob:
        """Read ``job.json``.

        Raises
        ------
        CardError
            If it is damaged.
        """
        from napari_medsynth.training.job import read_job

        return read_job(self.path / _JOB)

    def verdict(self) -> dict[str, Any]:
        """Give what the guard rail found; {} if it did not come that far."""
        return _read(self.path / _VERDICT)

    def forget_verdict(self) -> None:
        """Delete the verdict: training goes on."""
        (self.path / _VERDICT).unlink(missing_ok=True)

    def last(self, kind: str) -> dict[str, Any]:
        """Give the last event of a kind, {} if there is none near the end."""
        return next((e for e in self._events() if e.get("event") == kind), {})

    def last_log_line(self) -> str:
        """Give the last line of the log that says something."""
        try:
            lines = self.log.read_bytes()[-4096:].decode(errors="replace").splitlines()
        except OSError:
            lines = []
        return next((x.strip() for x in reversed(lines) if x.strip()), "no message")

    def progress(self) -> str:
        """Say how far the run came: "in epoch 3 of 10"; "" if that is unknown."""
        step, started = self.last("step"), self.last("started")
        if not step:
            return ""
        n_epochs = started.get("n_epochs")
        whole = f" of {n_epochs}" if n_epochs else ""
        return f"in epoch {step.get('epoch')}{whole}"

    def curves(self) -> list[dict[str, Any]]:
        """Give the events that draw the curves of what was done; not every step."""
        try:
            lines = (self.path / _EVENTS).read_bytes().splitlines()
        except OSError:
            return []
        steps, epochs = (
            [n for n, line in enumerate(lines) if b'"event": "%b"' % kind in line[:40]]
            for kind in (b"step", b"epoch")
        )
        wanted = {*steps[:: 1 + len(steps) // _MOST_STEPS], *epochs}
        return [event for n in sorted(wanted) if (event := _parsed(lines[n]))]

    def write_owner(self, pid: int) -> None:
        """Note which process trains here."""
        try:
            (self.path / _OWNER).write_text(str(pid), encoding="ascii")
        except OSError as err:
            _log.info("%s: %s", self.path, err)

    def clear_owner(self) -> None:
        """Note that nobody trains here any more."""
        (self.path / _OWNER).unlink(missing_ok=True)

    def forget_checkpoint(self) -> None:
        """Delete what only a run that goes on needs, most of the folder."""
        (self.path / _CHECKPOINT).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and all that is in it, if it is one of a run."""
        if (self.path / _JOB).is_file():
            shutil.rmtree(self.path, ignore_errors=True)

    def _events(self) -> Iterator[dict[str, Any]]:
        """Give the last events, the newest first."""
        try:
            with (self.path / _EVENTS).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                lines = file.read().splitlines()
        except OSError:
            return
        yield from filter(None, map(_parsed, reversed(lines)))


def _parsed(line: bytes) -> dict[str, Any]:
    """Give the JSON object of a line; {} if it is cut off."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; {} if it is not there or damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
