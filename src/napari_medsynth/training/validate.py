"""How good the network is on held-out subjects, after every epoch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.metrics import psnr
from napari_medsynth.errors import EngineError

from .data.batch import Batch
from .data.batches import as_batch, contrasts_of, fit_to
from .data.samples import Sample, SubjectSlices

N_SLICES = 8  # of each subject and mask
N_QUESTIONS = 96  # of all, unless there are more subjects and targets than that
_UNUSED = np.random.default_rng(0)


@dataclass(frozen=True)
class Question:
    """One slice with one mask: what is asked of the network, always the same.

    Parameters
    ----------
    subject : str
    target : str
    batch : Batch
        One sample, one wanted contrast.
    shape : tuple of int
        Height and width of the slice, in the middle of the padded one.
    plane : str
    step : int
        The slice lies a multiple of it away from the corner.
    """

    subject: str
    target: str
    batch: Batch
    shape: tuple[int, int]
    plane: str = "axial"
    step: int = 1

    def cropped(self, image: Tensor) -> np.ndarray:
        """Cut the slice out of its padding, [-1, 1] to [0, 1]."""
        top, left = (
            (have - want) // 2 // self.step * self.step
            for have, want in zip(image.shape, self.shape, strict=True)
        )
        cut = image[top : top + self.shape[0], left : left + self.shape[1]].numpy()
        return np.asarray(0.5 * (cut + 1), dtype=np.float32)


class Validation:
    """Fixed slices of subjects: every target, from all other contrasts.

    Parameters
    ----------
    card : ModelCard
    subjects : sequence of SubjectSlices
    targets : tuple of str
        () for all outputs.
    plane : str
    """

    def __init__(
        self,
        card: ModelCard,
        subjects: Sequence[SubjectSlices],
        *,
        targets: tuple[str, ...] = (),
        plane: str = "axial",
    ) -> None:
        self._card = card
        targets = targets or card.outputs
        n_pairs = max(1, len(subjects) * len(targets))
        self._n_slices = max(1, min(N_SLICES, N_QUESTIONS // n_pairs))
        self._questions = [
            question
            for subject in subjects
            for target in targets
            for question in self._ask(subject, target, plane)
        ]

    def __len__(self) -> int:
        return len(self._questions)

    @property
    def first(self) -> Question:
        """The question to show: the middle slice of the first subject."""
        same = [
            q
            for q in self._questions
            if (q.subject, q.target)
            == (self._questions[0].subject, self._questions[0].target)
        ]
        return same[len(same) // 2]

    def measure(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Give the mean "mae" (share of the range) and "psnr" [dB], foreground only.

        Raises
        ------
        EngineError
            If what the network gives is not finite.
        """
        errors, ratios = [], []
        for question in self._questions:
            output, truth = answer(model, question, device)
            inside = truth > 0.05
            if not inside.any():
                continue
            if not np.isfinite(output).all():
                raise EngineError(
                    "The network no longer gives finite numbers: train with a lower "
                    "learning rate, in fp32, or from another base."
                )
            errors.append(float(np.abs(output - truth)[inside].mean()))
            ratios.append(psnr(output, truth, mask=inside))
        if not errors:
            return {}
        return {"mae": float(np.mean(errors)), "psnr": float(np.mean(ratios))}

    def _ask(
        self, subject: SubjectSlices, target: str, plane: str
    ) -> Iterator[Question]:
        indices = subject.indices(plane)
        if not len(indices):
            return
        n = self._n_slices
        spread = np.linspace(0.2, 0.8, n) if n > 1 else np.array([0.5])
        spread = spread * (len(indices) - 1)
        for index in np.unique(indices[spread.round().astype(int)]):
            sample = subject.draw(plane, int(index), None)
            question = _question(self._card, subject.name, target, sample)
            if question is not None:
                yield replace(question, plane=plane)


def answer(
    model: nn.Module, question: Question, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Give the network's image and the real one, (H, W) in [0, 1]."""
    channel = question.batch.wanted[0].nonzero()[0, 0]
    with torch.inference_mode():
        output: Tensor = model(question.batch.sources.to(device)).float().cpu()
    images = (output[0, channel], question.batch.truth[0, channel])
    return tuple(question.cropped(image) for image in images)  # type: ignore[return-value]


class Preview:
    """One slice before and after, which the dock shows while the network learns.

    Parameters
    ----------
    question : Question
    model : Module
        As it is before it learns.
    device : torch.device
        Where it is.
    """

    def __init__(
        self, question: Question, model: nn.Module, device: torch.device
    ) -> None:
        self._question = question
        self.before, self._truth = answer(model, question, device)

    def write(self, path: Path, model: nn.Module, device: torch.device) -> None:
        """Write source, truth, before and now, (H, W) in [0, 1], whole or not at all.

        Raises
        ------
        EngineError
            If the disk is full or cannot be written.
        """
        question = self._question
        source = next(s for s in question.batch.sources[0] if (s > -1).any())
        arrays: dict[str, Any] = {
            "source": question.cropped(source),
            "truth": self._truth,
            "before": self.before,
            "now": answer(model, question, device)[0],
            "target": np.array(question.target),
            "subject": np.array(question.subject),
            "plane": np.array(question.plane),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        temporary = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(buffer.getvalue())
            temporary.replace(path)
        except OSError as err:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise EngineError(
                f"{path} could not be written ({err.strerror}): free some space and "
                "resume; the last good checkpoint was kept."
            ) from err


def _question(
    card: ModelCard, subject: str, target: str, sample: Sample
) -> Question | None:
    """Hide `target`; None if it, or everything else, does not exist."""
    contrasts = contrasts_of(card)
    wanted = np.array([c == target for c in contrasts])
    possible = np.array([c in card.inputs for c in contrasts])
    given = sample.present & possible & ~wanted
    if not (sample.present & wanted).any() or not given.any():
        return None
    height, width = sample.images.shape[1:]
    multiple = card.size_multiple
    size = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    images, truth = (
        fit_to(a, size, 0, _UNUSED, step=card.scale)[None]
        for a in (sample.images, sample.truth)
    )
    batch = as_batch(card, images, truth, given[None], wanted[None])
    return Question(subject, target, batch, (height, width), step=card.scale)
