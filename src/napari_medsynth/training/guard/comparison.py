"""Measure two models on one study, slice by slice."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_medsynth.catalogue import ModelCard, ModelPack, build_model
from napari_medsynth.engine import fit_normalisation, predict
from napari_medsynth.engine.choose_slices import telling_slices
from napari_medsynth.engine.device import choose_device, choose_precision
from napari_medsynth.engine.intensity import Normalisation, intensity_spec
from napari_medsynth.engine.metrics import foreground, mae, psnr, ssim
from napari_medsynth.engine.network import ready
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.engine.slices import PLANES
from napari_medsynth.engine.sources import gather_sources
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.io import Study, Volume
from napari_medsynth.models.blocks import set_norm_statistics

from .trials import Trial
from .verdict import MEASURES, Row

_MAX_PSNR = 100.0  # dB; equal images have an infinite one
_PERCENTILE = {"kind": "percentile"}

Scores = dict[str, NDArray[np.float64]]  # measure to one value per slice
Stack = NDArray[np.float32]  # slices (N, H, W)


@dataclass(frozen=True, eq=False)
class Contender:
    """A model as its users get it.

    Parameters
    ----------
    card : ModelCard
    model : Module
        On its device, ready to run.
    """

    card: ModelCard
    model: nn.Module


def contender_of(pack: ModelPack, *, device: str = "auto") -> Contender:
    """Load a pack, stored weights and precision as in every synthesis with it.

    Raises
    ------
    WeightsError
        If the weights are damaged or do not fit.
    EngineError
        If the device does not exist.
    """
    card, place = pack.card, choose_device(device)
    model = build_model(card)
    load_weights(model, numpy_to_state(pack.weights()), name=card.title)
    set_norm_statistics(model, card.norm_statistics)
    precision = choose_precision(
        "auto",
        place,
        n_parameters=card.parameters or None,
        norm_statistics=card.norm_statistics,
        is_restoration=card.is_restoration,
    )
    return Contender(card, ready(model, place, precision))


@dataclass(frozen=True, eq=False)
class _Truth:
    """Slices of a real scan in its own percentile range, and where the subject is."""

    volume: Volume
    fit: Normalisation
    images: Stack
    inside: NDArray[np.bool_]

    def scale(self, card: ModelCard, target: str) -> Normalisation:
        """Give the scale that a model's images of `target` are trained on."""
        spec = intensity_spec(card.intensity, target)
        is_same = spec == _PERCENTILE
        return self.fit if is_same else fit_normalisation(self.volume.data[0], spec)


def compare(
    base: Contender,
    tuned: Contender,
    study: Study,
    trials: Sequence[Trial],
    *,
    plane: str,
    n_slices: int,
) -> Generator[None, None, tuple[list[Row], Scores]]:
    """Predict what the study has, with each model, and measure both.

    Parameters
    ----------
    base, tuned : Contender
    study : Study
        Volumes on one grid.
    trials : sequence of Trial
        Of contrasts that the study has.
    plane : str
    n_slices : int
        Evenly spread over the middle of the subject.

    Yields
    ------
    None
        After each prediction: two per trial.

    Returns
    -------
    rows : list of mapping
        See `verdict.Comparison`.
    differences : mapping
        Measure to tuned - base of each slice, mean over all trials and targets.

    Raises
    ------
    VolumeError
        If the study shows nothing, or its slices are too small to measure.
    """
    indices = telling_slices(study, plane, n_slices)
    contrasts = dict.fromkeys(target for trial in trials for target in trial.targets)
    truths = {c: _truth(study[c], plane, indices) for c in contrasts}
    rows: list[Row] = []
    differences: dict[str, list[NDArray[np.float64]]] = {m: [] for m in MEASURES}
    for trial in trials:
        found = []
        for contender in (base, tuned):
            found.append(_scores(contender, study, trial, truths, plane, indices))
            yield
        for target in trial.targets:
            before, now = (scores[target] for scores in found)
            if not np.isfinite(now["psnr"]).any():
                continue
            rows.append(_row(study.subject, trial, target, before, now))
            for measure, values in differences.items():
                values.append(now[measure] - before[measure])
    return rows, {m: _mean_of_each_slice(v) for m, v in differences.items()}


def _truth(volume: Volume, plane: str, indices: Sequence[int]) -> _Truth:
    fit = fit_normalisation(volume.data[0], _PERCENTILE)
    images = _stack(volume, plane, indices)
    return _Truth(volume, fit, _unit_range(fit, images), foreground(images))


def _scores(
    contender: Contender,
    study: Study,
    trial: Trial,
    truths: dict[str, _Truth],
    plane: str,
    indices: Sequence[int],
) -> dict[str, Scores]:
    """Predict the targets of one trial and measure them against the real scans."""
    card = contender.card
    steps = predict(
        study,
        card,
        model=contender.model,
        sources=trial.sources,
        targets=trial.targets,
        slices=indices,
        plane=plane,
    )
    result = exhausted(steps)
    gathered = gather_sources(study, card, trial.sources)
    scores = {}
    for target in trial.targets:
        made, truth = _stack(result.volumes[target], plane, indices), truths[target]
        if not card.is_restoration:
            # A synthesis has the unit of its first source: give it the real scan's.
            made = gathered.unit_of(target).forward(made)
            made = truth.scale(card, target).inverse(made)
        scores[target] = _measured(_unit_range(truth.fit, made), truth)
    return scores


def _measured(images: Stack, truth: _Truth) -> Scores:
    """Measure each slice inside the subject; NaN where the real scan shows nothing."""
    values: Scores = {m: np.full(len(images), np.nan) for m in MEASURES}
    for i, (image, real, inside) in enumerate(
        zip(images, truth.images, truth.inside, strict=True)
    ):
        if inside.any():
            values["psnr"][i] = min(psnr(image, real, mask=inside), _MAX_PSNR)
            values["ssim"][i] = ssim(image, real, mask=inside)
            values["mae"][i] = mae(image, real, mask=inside)
    return values


def _row(
    subject: str, trial: Trial, target: str, before: Scores, now: Scores
) -> dict[str, Any]:
    return {
        "subject": subject,
        "available": trial.available,
        "target": target,
        **{m: round(float(np.nanmean(now[m])), 4) for m in MEASURES},
        **{f"base_{m}": round(float(np.nanmean(before[m])), 4) for m in MEASURES},
        "n_slices": int(np.isfinite(now["psnr"]).sum()),
    }


def _mean_of_each_slice(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Average over rows what is finite; slices without any are left out."""
    if not rows:
        return np.empty(0)
    stack = np.stack(rows)
    is_there = np.isfinite(stack)
    n = is_there.sum(axis=0)
    sums = np.where(is_there, stack, 0).sum(axis=0)
    return np.asarray(sums[n > 0] / n[n > 0])


def _unit_range(fit: Normalisation, images: Stack) -> Stack:
    """Map [low, high] of a scan to [0, 1]."""
    return np.asarray((fit.forward(images) + 1) / 2, np.float32)


def _stack(volume: Volume, plane: str, indices: Sequence[int]) -> Stack:
    return np.moveaxis(volume.data[0], PLANES[plane], 0)[list(indices)]
