"""The training loop, as a generator."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_medsynth.catalogue.pack import write_pack
from napari_medsynth.engine.weights import state_to_numpy
from napari_medsynth.errors import EngineError, WeightsError

from .card import trained_card
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .config import TrainConfig, read_config
from .data import Batch, Batches
from .network import network_of
from .objective import losses

# What normalisation layers count rather than learn.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainProgress:
    """One update.

    Parameters
    ----------
    step, n_steps : int
        Updates done and to do.
    losses : dict
        Mean absolute errors of the batch, in units of [-1, 1] [2 is the whole range].
    seconds : float
        Since this run (not the one it resumed) started.
    """

    step: int
    n_steps: int
    losses: dict[str, float]
    seconds: float


class Trainer:
    """Network, optimiser and running mean of the weights.

    Parameters
    ----------
    config : TrainConfig
        Settings.
    """

    def __init__(self, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.step = 0
        self.model = network_of(config)
        # torch 2.13 on the CPU: in channels_last group norm and its gradient are
        # inaccurate where the mean is far above the spread.
        is_slice = config.norm_statistics == "batch"
        self._format = torch.contiguous_format if is_slice else torch.channels_last
        self.model.to(memory_format=self._format)  # type: ignore[call-overload]
        self.mean = deepcopy(self.model).eval()
        self._adam = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99)
        )

    def update(self, batch: Batch) -> dict[str, float]:
        """Do one step; return the losses."""
        config = self.config
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.step, config)
        parts = losses(
            self.forward(batch),
            batch,
            reconstruction=config.reconstruction_weight,
            gradient=config.gradient_weight,
        )
        self._adam.zero_grad(set_to_none=True)
        parts["total"].backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._adam.step()
        self.step += 1
        self._average()
        values = {name: float(value.detach()) for name, value in parts.items()}
        if not math.isfinite(values["total"]):
            raise EngineError(
                f"The loss is {values['total']} after {self.step} steps; "
                "train with a lower learning_rate or in fp32."
            )
        return values

    def forward(self, batch: Batch) -> Tensor:
        """Give the network's float32 output for `batch`, in the mode that learns."""
        # Slice statistics are those of evaluation, and need no other mode to learn.
        self.model.train(self.config.norm_statistics == "running")
        sources = batch.sources.to(memory_format=self._format)
        is_bf16 = self.config.precision == "bf16"
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            output: Tensor = self.model(sources)
        return output.float()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the running mean towards the weights, faster in the beginning."""
        decay = min(self.config.ema, self.step / (self.step + 10))
        new_state = self.model.state_dict()
        for name, mean in self.mean.state_dict().items():
            new = new_state[name]
            if mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)

    def checkpoint(self) -> Checkpoint:
        """Give all that `resume` needs."""
        return {
            "step": self.step,
            "config": repr(asdict(self.config)),
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "adam": self._adam.state_dict(),
        }

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue where `checkpoint` was saved.

        Raises
        ------
        WeightsError
            If it belongs to other settings.
        """
        if checkpoint.get("config") != repr(asdict(self.config)):
            raise WeightsError(
                "The checkpoint belongs to other training settings; "
                "delete it, or restore the configuration it was made with."
            )
        self.model.load_state_dict(checkpoint["model"])
        self.mean.load_state_dict(checkpoint["mean"])
        self._adam.load_state_dict(checkpoint["adam"])
        self.step = int(checkpoint["step"])


def learning_rate(step: int, config: TrainConfig) -> float:
    """Give the rate of an update: linear warm-up, half a cosine to 1 % of the peak."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.n_steps))
    return config.learning_rate * warm * (0.01 + 0.99 * cosine)


def train(
    config: TrainConfig, *, checkpoint: Path | None = None
) -> Generator[TrainProgress, None, dict[str, Tensor]]:
    """Train a network; yield after each update.

    Parameters
    ----------
    config : TrainConfig
        Settings.
    checkpoint : Path, optional
        Saved every ``config.checkpoint_every`` updates and at the end; if it exists,
        the run continues from it and ends with the weights it would have had anyway.

    Returns
    -------
    dict of str to Tensor
        The running mean of the weights.

    Raises
    ------
    CardError, VolumeError
        If the settings or the real subjects cannot be used.
    WeightsError
        If `checkpoint` is damaged or belongs to other settings.
    EngineError
        If the loss is not finite.
    """
    if config.n_threads:
        torch.set_num_threads(config.n_threads)
    trainer = Trainer(config)
    if checkpoint is not None and checkpoint.is_file():
        trainer.resume(load_checkpoint(checkpoint))
    batches = _prefetched(Batches(config), range(trainer.step, config.n_steps))
    start = time.monotonic()
    for batch in batches:
        values = trainer.update(batch)
        is_due = config.checkpoint_every and trainer.step % config.checkpoint_every == 0
        if checkpoint is not None and (is_due or trainer.step == config.n_steps):
            save_checkpoint(checkpoint, trainer.checkpoint())
        seconds = time.monotonic() - start
        yield TrainProgress(trainer.step, config.n_steps, values, seconds)
    return trainer.mean.state_dict()


def _prefetched(batches: Batches, numbers: range) -> Iterator[Batch]:
    """Draw the next batch in a thread while the last one is being learnt."""
    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(batches.__getitem__, n) for n in numbers[:2])
        for number in numbers:
            batch = ahead.popleft().result()
            if number + 2 < numbers.stop:
                ahead.append(pool.submit(batches.__getitem__, number + 2))
            yield batch


def train_from_config(
    path: Path | str, *, output: Path | str | None = None, log_every: int = 50
) -> Path:
    """Train as a TOML file says and write the pack; resume an interrupted run.

    Parameters
    ----------
    path : Path or str
        See `TrainConfig`.
    output : Path or str, optional
        Pack to write instead of the configuration's. The checkpoint stands beside it as
        ``<name>.checkpoint`` and is deleted in the end.
    log_every : int
        Updates between two lines of the log.

    Returns
    -------
    Path
        The pack.

    Raises
    ------
    MedSynthError
        As `read_config`, `train` and `write_pack`.
    """
    config = read_config(path)
    target = Path(output) if output else Path(path).parent / config.output
    checkpoint = target.with_suffix(".checkpoint")
    steps = train(config, checkpoint=checkpoint)
    seconds, since = 0.0, []
    while True:
        try:
            progress = next(steps)
        except StopIteration as finished:
            weights = finished.value
            break
        seconds = progress.seconds
        since.append(progress.losses)
        if progress.step % log_every == 0:
            _report(progress, since)
            since.clear()
    pack = export_pack(config, weights, target, n_steps=config.n_steps, seconds=seconds)
    checkpoint.unlink(missing_ok=True)
    return pack


def export_pack(
    config: TrainConfig,
    weights: dict[str, Tensor],
    path: Path,
    *,
    n_steps: int,
    seconds: float,
) -> Path:
    """Write weights as a float16 pack with the card of the run."""
    arrays = state_to_numpy(weights, dtype=np.float16)
    card = trained_card(config, n_steps=n_steps, seconds=seconds)
    learnt = [t for name, t in weights.items() if not name.endswith(_STATISTICS)]
    card = replace(card, parameters=sum(tensor.numel() for tensor in learnt))
    return write_pack(path, card, arrays).path


def _report(progress: TrainProgress, since: list[dict[str, float]]) -> None:
    means = {name: np.mean([values[name] for values in since]) for name in since[0]}
    text = " ".join(f"{name} {value:.4f}" for name, value in means.items())
    minutes = progress.seconds / 60
    _log.info(
        "step %d of %d, %.1f min: %s", progress.step, progress.n_steps, minutes, text
    )
