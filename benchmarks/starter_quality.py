"""How good is the starter pack? Prints PSNR, SSIM and MAE beside a naive baseline.

    MEDSYNTH_SHARED=../shared python benchmarks/starter_quality.py [--write]

Every availability mask, every target it leaves; on simulated subjects with seeds that
training never saw and, where the shared data are, on real ones. The baseline is the
best mapping of intensities alone: the mean target intensity for each combination of
source intensities, fitted on the same training images, noise and all.
``--write`` puts the table into the card.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from napari_medsynth.catalogue.pack import ModelPack, read_pack, write_pack
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.engine.metrics import foreground, mae, psnr, ssim
from napari_medsynth.engine.predict import predict
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.io import Study, read_study
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.resources import resource
from napari_medsynth.simulate import simulate_study
from napari_medsynth.training import TrainConfig, read_config
from napari_medsynth.training.data import Batches

HELD_OUT_SEEDS = (900001, 900002, 900003)
N_SLICES = 24  # axial slices of each subject, evenly spread over its middle
BINS = {1: 64, 2: 32, 3: 16}  # of each source's intensity, by number of sources
MEASURES = ("psnr", "ssim", "mae")
PERCENTILE = {"kind": "percentile"}

Row = dict[str, object]


class IntensityMapping:
    """Mean target intensity for each combination of source intensities.

    Parameters
    ----------
    sources, target : sequence of int, int
        Channels.
    """

    def __init__(self, sources: Sequence[int], target: int) -> None:
        self._sources, self._target = list(sources), target
        self._bins = BINS[len(sources)]
        size = self._bins ** len(sources)
        self._sums, self._counts = np.zeros(size), np.zeros(size)

    def fit(self, images: np.ndarray, truth: np.ndarray) -> None:
        """Add the pixels of (C, H, W) images in [-1, 1]."""
        cells = self._cells(images).ravel()
        size = len(self._sums)
        values = truth[self._target].ravel()
        self._sums += np.bincount(cells, weights=values, minlength=size)
        self._counts += np.bincount(cells, minlength=size)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Map (C, ...) images; unseen combinations take the nearest seen one."""
        shape = (self._bins,) * len(self._sources)
        counts = self._counts.reshape(shape)
        means = self._sums.reshape(shape) / np.maximum(counts, 1)
        nearest = distance_transform_edt(
            counts == 0, return_distances=False, return_indices=True
        )
        return means[tuple(nearest)].ravel()[self._cells(images)].astype(np.float32)

    def _cells(self, images: np.ndarray) -> np.ndarray:
        cells = np.zeros(images.shape[1:], np.int64)
        for channel in self._sources:
            level = ((images[channel] + 1) / 2 * self._bins).astype(np.int64)
            cells = cells * self._bins + np.clip(level, 0, self._bins - 1)
        return cells


def masks(modalities: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Give every set of sources that leaves a target."""
    for n in range(1, len(modalities)):
        yield from combinations(modalities, n)


def fitted_baseline(
    config: TrainConfig, n_batches: int
) -> dict[tuple[tuple[str, ...], str], IntensityMapping]:
    """Fit all mappings on the images that the network learns from."""
    names = config.modalities
    mappings = {
        (sources, target): IntensityMapping(
            [names.index(m) for m in sources], names.index(target)
        )
        for sources in masks(names)
        for target in names
        if target not in sources
    }
    batches = Batches(config)
    for number in range(n_batches):
        batch = batches[number]
        for i in range(len(batch.truth)):
            given = _named(names, batch.given[i])
            present = given | _named(names, batch.wanted[i])
            scanned, truth = batch.sources[i].numpy(), batch.truth[i].numpy()
            for (sources, target), mapping in mappings.items():
                if target in present and given.issuperset(sources):
                    mapping.fit(scanned, truth)
    return mappings


def _named(names: Sequence[str], mask: Tensor) -> set[str]:
    return {name for name, is_there in zip(names, mask, strict=True) if is_there}


def subjects(shared: Path | None) -> Iterator[tuple[str, list[Study]]]:
    """Give the data sets: simulated ones, then the real ones that are there."""
    yield "simulated", [simulate_study(seed) for seed in HELD_OUT_SEEDS]
    if shared is None:
        return
    for name, label in (
        ("ms_lesjak_p07", "real ms_lesjak_p07 (never seen)"),
        ("stroke_cstar", "real stroke_cstar (trained on)"),
    ):
        folder = shared / "data" / "brain" / name
        files = {m: folder / f"{m}.nii.gz" for m in ("T1", "T2", "FLAIR")}
        yield label, [read_study(files)]


def chosen_slices(study: Study) -> list[int]:
    depth = next(iter(study.volumes.values())).shape[0]
    return (
        np.linspace(0.15 * depth, 0.85 * depth, N_SLICES).round().astype(int).tolist()
    )


def measured(
    study: Study, pack: ModelPack, mappings: dict, model: object
) -> Iterator[Row]:
    """Compare network and baseline with the truth, for every mask of one study.

    All are in units of the truth's own percentiles, [0, 1]: those that the network was
    trained to give. Nothing is fitted to the truth.
    """
    card, where = pack.card, chosen_slices(study)
    fits = {
        m: fit_normalisation(study[m].data[0], PERCENTILE) for m in study.modalities
    }
    shape = next(iter(study.volumes.values())).shape
    normalised = np.full((len(card.inputs), len(where), *shape[1:]), -1, np.float32)
    for modality, fit in fits.items():
        channel = card.inputs.index(modality)
        normalised[channel] = fit.forward(study[modality].data[0][where])
    for sources in masks(study.modalities):
        targets = [m for m in study.modalities if m not in sources]
        options = {"sources": sources, "targets": targets, "slices": where}
        result = exhausted(predict(study, card, model=model, **options))
        for target in targets:
            image = result.volumes[target].data[0][where]
            # predict gives a synthesis the unit of its first source: take that back.
            ours = fits[sources[0]].forward(image)
            theirs = mappings[sources, target](normalised)
            truth = normalised[card.inputs.index(target)]
            yield {
                "available": "+".join(sources),
                "target": target,
                **scores(ours, truth, ""),
                **scores(theirs, truth, "baseline_"),
            }


def scores(image: np.ndarray, truth: np.ndarray, prefix: str) -> dict[str, float]:
    """Measure (N, H, W) in [-1, 1] inside the foreground of `truth`."""
    a, b, mask = (image + 1) / 2, (truth + 1) / 2, foreground(truth)
    return {f"{prefix}{m.__name__}": m(a, b, mask=mask) for m in (psnr, ssim, mae)}


def exhausted(steps):
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def averaged(rows: list[Row], label: str) -> list[Row]:
    """Average the rows of several subjects by mask and target."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["available"], row["target"]), []).append(row)
    numbers = [f"{who}{k}" for who in ("", "baseline_") for k in MEASURES]
    return [
        {
            "data": label,
            "available": available,
            "target": target,
            **{k: round(float(np.mean([r[k] for r in group])), 3) for k in numbers},
        }
        for (available, target), group in groups.items()
    ]


def print_table(rows: list[Row]) -> None:
    print(
        "| data | available | target | PSNR [dB] | SSIM | MAE | baseline PSNR | ",
        end="",
    )
    print("SSIM | MAE |\n| --- | --- | --- | --: | --: | --: | --: | --: | --: |")
    for r in rows:
        ours = f"{r['psnr']:.2f} | {r['ssim']:.3f} | {r['mae']:.3f}"
        base = (
            f"{r['baseline_psnr']:.2f} | {r['baseline_ssim']:.3f} | "
            f"{r['baseline_mae']:.3f}"
        )
        print(f"| {r['data']} | {r['available']} | {r['target']} | {ours} | {base} |")


def print_summary(rows: list[Row]) -> None:
    for label in dict.fromkeys(row["data"] for row in rows):
        mine = [row for row in rows if row["data"] == label]
        gains = [row["psnr"] - row["baseline_psnr"] for row in mine]
        wins = sum(gain > 0 for gain in gains)
        print(
            f"{label}: mean PSNR {np.mean([r['psnr'] for r in mine]):.2f} dB, baseline "
            f"{np.mean([r['baseline_psnr'] for r in mine]):.2f} dB; better in "
            f"{wins} of {len(mine)} rows"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pack", type=Path, default=None, help="default: the starter")
    parser.add_argument(
        "--batches", type=int, default=60, help="to fit the baseline on"
    )
    parser.add_argument(
        "--write", action="store_true", help="put the table in the card"
    )
    options = parser.parse_args()
    path = options.pack or resource("packs", "resvit-starter.safetensors")
    pack = read_pack(path)
    variable = os.environ.get("MEDSYNTH_SHARED")
    config = replace(read_config(resource("training", "starter.toml")), n_anatomies=12)
    mappings = fitted_baseline(config, options.batches)
    model = build_model(pack.card)
    load_weights(model, numpy_to_state(pack.weights()), name=str(path))
    set_norm_statistics(model, pack.card.norm_statistics)
    rows: list[Row] = []
    for label, studies in subjects(Path(variable) if variable else None):
        found = [r for s in studies for r in measured(s, pack, mappings, model)]
        rows += averaged(found, label)
    print_table(rows)
    print()
    print_summary(rows)
    if options.write:
        write_pack(path, replace(pack.card, quality=tuple(rows)), pack.weights())


if __name__ == "__main__":
    main()
