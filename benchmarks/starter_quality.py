"""How good is the starter pack? Prints PSNR, SSIM and MAE beside a naive baseline.

    MEDSYNTH_SHARED=../shared python benchmarks/starter_quality.py [--write]

Every availability mask, every target it leaves; on simulated subjects with seeds that
training never saw and, where the shared data are, on real ones. Two rivals know
intensities only, fitted on the same training images: the baseline maps the intensities
of one source (to the mean target intensity of each), that source which turns out best;
"joint" maps each combination of all sources' intensities, which is nearly all that
there is to know where images are simulated tissue by tissue.
``--before`` names an earlier pack, which is asked the same; ``--write`` puts the table
into the card.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from _baseline import Mappings, fitted_mappings, masks
from _subjects import lesjak, longitudinal, stroke
from napari_medsynth.catalogue import ModelCard
from napari_medsynth.catalogue.pack import ModelPack, read_pack, write_pack
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.engine.metrics import foreground, mae, psnr, ssim
from napari_medsynth.engine.predict import predict
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.io import Study
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.resources import resource
from napari_medsynth.simulate import simulate_study
from napari_medsynth.training import read_job
from napari_medsynth.training.data.batches import Batches
from napari_medsynth.training.data.gather import gather, mixture_of

HELD_OUT_SEEDS = (900001, 900002, 900003)
N_SLICES = 24  # axial slices of each subject, evenly spread over its middle
MEASURES = ("psnr", "ssim", "mae")
PREFIXES = ("", "baseline_", "joint_")
BEFORE = "base_"  # what cards call the model before
PERCENTILE = {"kind": "percentile"}

Row = dict[str, object]


def subjects(shared: Path | None) -> Iterator[tuple[str, list[Study]]]:
    """Give the data sets: simulated ones, then the real ones that are there."""
    yield "simulated", [simulate_study(seed) for seed in HELD_OUT_SEEDS]
    if shared is None:
        return
    yield "real ms_longitudinal_p04 (held out)", [longitudinal(shared)]
    yield "real ms_lesjak_p07 (validation)", [lesjak(shared)]
    yield "real stroke_cstar (trained on)", [stroke(shared)]


def chosen_slices(study: Study) -> list[int]:
    depth = next(iter(study.volumes.values())).shape[0]
    return (
        np.linspace(0.15 * depth, 0.85 * depth, N_SLICES).round().astype(int).tolist()
    )


def measured(
    study: Study, pack: ModelPack, mappings: Mappings, model: object
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
            truth = normalised[card.inputs.index(target)]
            joint = mappings[sources, target](normalised)
            singles = [mappings[(m,), target](normalised) for m in sources]
            baseline = max(
                (scores(single, truth, "baseline_") for single in singles),
                key=lambda found: found["baseline_psnr"],
            )
            yield {
                "available": "+".join(sources),
                "target": target,
                **scores(ours, truth, ""),
                **baseline,
                **scores(joint, truth, "joint_"),
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


def scored(studies: list[Study], pack: ModelPack, mappings: Mappings) -> list[Row]:
    """Score a pack on all subjects of a data set; means by mask and target."""
    model = build_model(pack.card)
    load_weights(model, numpy_to_state(pack.weights()), name=pack.card.title)
    set_norm_statistics(model, pack.card.norm_statistics)
    return averaged(
        [row for study in studies for row in measured(study, pack, mappings, model)]
    )


def with_before(rows: list[Row], before: list[Row]) -> list[Row]:
    """Add the scores of the earlier pack to those of the same masks and targets."""
    known = {(row["available"], row["target"]): row for row in before}
    return [
        {
            **row,
            **{
                BEFORE + key: known[row["available"], row["target"]][key]
                for key in MEASURES
            },
        }
        for row in rows
    ]


def averaged(rows: list[Row]) -> list[Row]:
    """Average the rows of several subjects by mask and target."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["available"], row["target"]), []).append(row)
    prefixes = [p for p in (*PREFIXES, BEFORE) if f"{p}psnr" in rows[0]]
    numbers = [f"{who}{k}" for who in prefixes for k in MEASURES]
    return [
        {
            "data": "",
            "available": available,
            "target": target,
            **{k: round(float(np.mean([r[k] for r in group])), 3) for k in numbers},
        }
        for (available, target), group in groups.items()
    ]


def prefixes_of(rows: list[Row]) -> list[str]:
    return [p for p in ("", BEFORE, *PREFIXES[1:]) if f"{p}psnr" in rows[0]]


def print_table(rows: list[Row]) -> None:
    prefixes = prefixes_of(rows)
    named = {BEFORE: "before "}
    names = [named.get(p, p.replace("_", " ")) for p in prefixes]
    columns = [f"{name}{k.upper()}" for name in names for k in MEASURES]
    print("| data | available | target | " + " | ".join(columns) + " |")
    print("| --- | --- | --- |" + " --: |" * len(columns))
    for row in rows:
        cells = [str(row[key]) for key in ("data", "available", "target")]
        for prefix in prefixes:
            cells.append(f"{row[prefix + 'psnr']:.2f}")
            cells += [f"{row[prefix + key]:.3f}" for key in ("ssim", "mae")]
        print("| " + " | ".join(cells) + " |")


def print_summary(rows: list[Row]) -> None:
    rivals = prefixes_of(rows)[1:]
    header = " | ".join(f"{p.rstrip('_')}, better in" for p in rivals)
    print(f"| data | measure | starter | {header} |")
    print("| --- | --- | --: |" + " --: |" * len(rivals))
    for label in dict.fromkeys(row["data"] for row in rows):
        mine = [row for row in rows if row["data"] == label]
        for key in MEASURES:
            sign = -1 if key == "mae" else 1
            cells = [f"{np.mean([row[key] for row in mine]):.3f}"]
            for p in rivals:
                wins = sum(sign * (row[key] - row[p + key]) > 0 for row in mine)
                mean = np.mean([row[p + key] for row in mine])
                cells.append(f"{mean:.3f}, {wins} of {len(mine)}")
            print(f"| {label} | {key} | " + " | ".join(cells) + " |")


def training_batches(card: ModelCard) -> Batches:
    """Give the images that the starter learns from, of fewer brains."""
    job = read_job(resource("training", "starter.toml"))
    job = replace(job, data=replace(job.data, n_anatomies=12))
    subjects, *_ = gather(job, card)
    mixture = mixture_of(job, card, subjects)
    return Batches(job.learn, card, mixture, batch_size=job.learn.batch_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pack", type=Path, default=None, help="default: the starter")
    parser.add_argument("--before", type=Path, default=None, help="an earlier pack")
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
    mappings = fitted_mappings(
        pack.card.inputs, training_batches(pack.card), options.batches
    )
    before = read_pack(options.before) if options.before else None
    rows: list[Row] = []
    for label, studies in subjects(Path(variable) if variable else None):
        found = scored(studies, pack, mappings)
        if before is not None:
            found = with_before(found, scored(studies, before, mappings))
        rows += [{**row, "data": label} for row in found]
    print_table(rows)
    print()
    print_summary(rows)
    if options.write:
        write_pack(path, replace(pack.card, quality=tuple(rows)), pack.weights())


if __name__ == "__main__":
    main()
