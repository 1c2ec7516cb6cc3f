"""LossRecord: what a run has told about its losses, step by step. Needs no Qt."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_DECAY = 0.95  # of the smoothed losses: they look back about 20 steps
_FIRST_ROOM = 256
_BEST = "is_best"
_FACTS = ("seconds", "learning_rate", "samples_per_second", "memory")
HELD_OUT = "held out: "


@dataclass(frozen=True)
class EpochRow:
    """One epoch event and the step after which it came.

    Parameters
    ----------
    step, epoch : int
    train, validation : mapping
        Name to value; either may be empty.
    is_best : bool
    """

    step: int
    epoch: int
    train: Mapping[str, float]
    validation: Mapping[str, float]
    is_best: bool


class LossRecord:
    """Losses of all steps and epochs, in arrays that grow by doubling.

    A run that is continued does the steps after its checkpoint again: what comes at a
    step that is already there replaces it and all that follows.
    """

    def __init__(self) -> None:
        self.epochs: list[EpochRow] = []
        self._columns: dict[str, Values] = {}
        self._smooth: dict[str, tuple[float, float]] = {}  # sum and weight
        self._n = 0

    def __len__(self) -> int:
        return self._n

    @property
    def names(self) -> tuple[str, ...]:
        """The training losses, "total" first."""
        names = [n.removeprefix("raw ") for n in self._columns if n.startswith("raw ")]
        return tuple(sorted(names, key=lambda name: name != "total"))

    @property
    def measures(self) -> tuple[str, ...]:
        """What is measured on held-out subjects, in the order it came."""
        return tuple(dict.fromkeys(name for e in self.epochs for name in e.validation))

    @property
    def steps(self) -> Values:
        return self._column("step")

    def raw(self, name: str) -> Values:
        """The loss `name` at each of `steps`; nan where it was not told."""
        return self._column(f"raw {name}")

    def smooth(self, name: str) -> Values:
        """As `raw`, averaged over the last steps."""
        return self._column(f"smooth {name}")

    def validation(self, name: str) -> tuple[Values, Values]:
        """Steps and values of one held-out measure."""
        rows = [e for e in self.epochs if name in e.validation]
        steps = [float(e.step) for e in rows]
        return np.array(steps), np.array([_number(e.validation[name]) for e in rows])

    @property
    def best(self) -> EpochRow | None:
        """The epoch whose weights are the ones to keep so far."""
        return next((e for e in reversed(self.epochs) if e.is_best), None)

    def add_step(self, event: Mapping[str, Any]) -> None:
        """Take a "step" event."""
        step = int(event["step"])
        self.cut(step - 1)
        values = {"step": float(step), "epoch": float(event.get("epoch", 0))}
        values |= {name: _number(event.get(name)) for name in _FACTS}
        for name, value in event.get("losses", {}).items():
            number = _number(value)
            values[f"raw {name}"] = number
            values[f"smooth {name}"] = self._smoothed(name, number)
        self._append(values)

    def add_epoch(self, event: Mapping[str, Any]) -> None:
        """Take an "epoch" event."""
        epoch = int(event["epoch"])
        last = int(self.steps[-1]) if self._n else 0
        self.epochs = [e for e in self.epochs if e.epoch < epoch]
        self.epochs.append(
            EpochRow(
                last,
                epoch,
                dict(event.get("train", {})),
                dict(event.get("validation", {})),
                bool(event.get("is_best")),
            )
        )

    def cut(self, step: int) -> None:
        """Forget what came after `step`."""
        if not self._n or self.steps[-1] <= step:
            return
        self._n = int(np.searchsorted(self.steps, step, side="right"))
        self.epochs = [e for e in self.epochs if e.step <= step]

    def at(self, step: float) -> dict[str, float]:
        """Give all values at the step nearest to `step`, and of the last epoch then.

        "step" and "epoch", losses by name, measures as "held out: psnr".
        """
        found: dict[str, float] = {}
        if self._n:
            index = int(np.abs(self.steps - step).argmin())
            step = self.steps[index]
            found = {"step": step, "epoch": self._column("epoch")[index]}
            found |= {name: self.raw(name)[index] for name in self.names}
        known = [e for e in self.epochs if e.step <= step]
        if known:
            found.setdefault("step", known[-1].step)
            found.setdefault("epoch", known[-1].epoch)
            found |= {HELD_OUT + n: _number(v) for n, v in known[-1].validation.items()}
        return found

    def write_csv(self, path: Path) -> None:
        """Write one row per step and one per epoch (its means and measures)."""
        losses, measures = self.names, self.measures
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            held_out = [HELD_OUT + name for name in measures]
            writer.writerow(
                ["kind", "step", "epoch", *_FACTS, *losses, *held_out, _BEST]
            )
            writer.writerows(self._rows(losses, measures))

    def _rows(
        self, losses: tuple[str, ...], measures: tuple[str, ...]
    ) -> Iterator[list[Any]]:
        epochs = iter(sorted(self.epochs, key=lambda e: e.step))
        epoch = next(epochs, None)
        for index in range(self._n + 1):
            is_over = index == self._n
            while epoch and (is_over or epoch.step < self.steps[index]):
                means = [epoch.train.get(name, "") for name in losses]
                found = [epoch.validation.get(name, "") for name in measures]
                start = ["epoch", epoch.step, epoch.epoch, *[""] * len(_FACTS)]
                yield [*start, *means, *found, int(epoch.is_best)]
                epoch = next(epochs, None)
            if not is_over:
                at = [int(self._column(name)[index]) for name in ("step", "epoch")]
                facts = [self._column(name)[index] for name in _FACTS]
                values = [self.raw(name)[index] for name in losses]
                yield ["step", *at, *facts, *values, *[""] * len(measures), ""]

    def _append(self, values: Mapping[str, float]) -> None:
        room = len(self._columns["step"]) if self._columns else _FIRST_ROOM
        for name in values:
            self._columns.setdefault(name, np.full(room, np.nan))
        if self._n == room:
            for name, column in self._columns.items():
                self._columns[name] = np.append(column, np.full(room, np.nan))
        for name, column in self._columns.items():
            column[self._n] = values.get(name, np.nan)
        self._n += 1

    def _column(self, name: str) -> Values:
        return self._columns.get(name, np.empty(0))[: self._n]

    def _smoothed(self, name: str, value: float) -> float:
        total, weight = self._smooth.get(name, (0.0, 0.0))
        if math.isfinite(value):
            total, weight = _DECAY * total + value, _DECAY * weight + 1
            self._smooth[name] = (total, weight)
        return total / weight if weight else math.nan


def _number(value: Any) -> float:
    """Give a float; nan for what is none."""
    return float(value) if isinstance(value, int | float) else math.nan
