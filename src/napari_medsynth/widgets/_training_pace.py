"""TrainingPace: what a step took, to say how long another run will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from napari_medsynth.training.config import TrainConfig


@dataclass(frozen=True)
class TrainingPace:
    """Times of one run on this machine.

    Parameters
    ----------
    base, device : str
        Id of the base model; device, as it was chosen.
    seconds_per_step, seconds_per_epoch_end : float
        Of one update; of a look at the held-out subjects [s].
    n_slices, batch_size : int
        Of all subjects; per step.
    """

    base: str
    device: str
    seconds_per_step: float
    seconds_per_epoch_end: float
    n_slices: int
    batch_size: int

    @classmethod
    def from_json(cls, values: Any) -> Self | None:
        """Give what `to_json` gave; None if it is damaged."""
        try:
            pace = cls(**values)
            is_right = pace.seconds_per_step > 0 and pace.batch_size > 0
        except TypeError:
            return None
        return pace if is_right else None

    @classmethod
    def measured(
        cls,
        started: Mapping[str, Any],
        estimated: Mapping[str, Any],
        *,
        base: str,
        device: str,
    ) -> Self | None:
        """Give the pace of a run from its events; None if they do not tell it."""
        values = {
            **{"base": base, "device": device, "n_slices": started.get("n_slices")},
            **{
                name: estimated.get(name)
                for name in ("seconds_per_step", "seconds_per_epoch_end", "batch_size")
            },
        }
        return cls.from_json(values)

    def to_json(self) -> dict[str, Any]:
        """Give JSON values."""
        return asdict(self)

    def seconds(self, base: str, config: TrainConfig) -> float | None:
        """Give how long a run would take [s]; None if it is another matter."""
        if (base, config.device) != (
            self.base,
            self.device,
        ) or config.batch_size not in (
            0,
            self.batch_size,
        ):
            return None
        n_steps = config.steps_per_epoch or max(1, self.n_slices // self.batch_size)
        epoch = n_steps * self.seconds_per_step + self.seconds_per_epoch_end
        return config.epochs * epoch
