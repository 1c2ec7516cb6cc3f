"""What ``medsynth train`` was asked for: a file, or a model and its data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_medsynth.catalogue import check_id_is_free
from napari_medsynth.errors import CardError

from ._outputs import check_writable

if TYPE_CHECKING:
    from napari_medsynth.training.finetune import Steps
    from napari_medsynth.training.job import TrainJob

_FILES = (".toml", ".json")


@dataclass(frozen=True)
class TrainRequest:
    """What was asked for on the command line.

    Parameters
    ----------
    what : str
        A job's file, or the id of a card.
    output : Path or None
        Pack to write.
    folder : Path or None
    inputs, outputs : sequence of str
    settings : sequence of str
        "learning_rate=1e-4".
    is_simulated : bool
    devices : int or None
    """

    what: str
    output: Path | None = None
    folder: Path | None = None
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    settings: Sequence[str] = ()
    is_simulated: bool = False
    devices: int | None = None

    def begin(self) -> tuple[Path, Steps]:
        """Make the job; give the run's folder, and the run.

        Raises
        ------
        BadParameter, MedSynthError
            If it cannot be begun, in one sentence.
        """
        from napari_medsynth.training.scratch import run_folder, train_pack

        job, target = self._job()
        _check_target(target)
        if self.devices:
            job = replace(job, devices=self.devices)
        return run_folder(target), train_pack(job, target)

    def _job(self) -> tuple[TrainJob, Path]:
        from napari_medsynth.training.job import read_job
        from napari_medsynth.training.scratch import pack_path

        path = Path(self.what)
        if path.suffix not in _FILES:
            return self._job_of_card()
        if not path.is_file():
            raise typer.BadParameter(f"{path} does not exist.")
        for option, is_given in self._of_cards_only():
            if is_given:
                raise typer.BadParameter(
                    f"{path.name} says all of this itself: change it there, and leave "
                    f"out {option}."
                )
        job = read_job(path)
        return job, pack_path(job, path, self.output)

    def _job_of_card(self) -> tuple[TrainJob, Path]:
        from napari_medsynth.training.from_card import job_from_card

        if self.output is None:
            raise typer.BadParameter(
                f"Training {self.what} needs --output, the pack to write."
            )
        if self.folder is not None and not self.folder.is_dir():
            raise typer.BadParameter(f"{self.folder} is no folder of scans.")
        if self.folder is None and not self.is_simulated:
            raise typer.BadParameter(
                f"Training {self.what} needs something to learn from: --folder DIR, or "
                "--simulated."
            )
        share = 0.0 if not self.is_simulated else (0.5 if self.folder else 1.0)
        own_id = card_id(self.output.stem)
        _check_id(own_id)  # before the training, which may take days
        job = job_from_card(
            self.what,
            id=own_id,
            title=f"{self.what}, trained here",
            folder=str(self.folder.absolute()) if self.folder else "",
            simulated_share=share,
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            changes=dict(setting(text) for text in self.settings),
        )
        return job, self.output

    def _of_cards_only(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("--folder", self.folder is not None),
            ("--inputs", bool(self.inputs)),
            ("--outputs", bool(self.outputs)),
            ("--set", bool(self.settings)),
            ("--simulated", self.is_simulated),
        )


def setting(text: str) -> tuple[str, Any]:
    """Give name and value of "learning_rate=1e-4"; a value is as in TOML, or a word.

    Raises
    ------
    BadParameter
        If there is no "=" or no name.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(
            f"--set {text} needs a name and a value: --set learning_rate=1e-4."
        )
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def _check_target(target: Path) -> None:
    """Refuse a pack that could not be written, or not be found again, at the end."""
    from napari_medsynth.training.job import SUFFIX

    if target.suffix != SUFFIX:
        raise typer.BadParameter(
            f"{target.name} is no name of a pack: let it end in {SUFFIX}."
        )
    check_writable(target.parent)


def _check_id(own_id: str) -> None:
    try:
        check_id_is_free(own_id, replace=True)
    except CardError as err:
        raise typer.BadParameter(
            f"There is another model {own_id}, which the pack would be named as: give "
            f"it a name of your own, such as my-{own_id}.safetensors."
        ) from err


def card_id(stem: str) -> str:
    """Make an id of the name of a file: lower case, with hyphens."""
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "trained"
