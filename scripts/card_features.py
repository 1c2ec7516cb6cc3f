"""Write into a pack's card what its training scans look like.

The weights stay as they are. Taken are the made-up brains of the recipe, each scanned
twice by other scanners as in training, and the real subjects that it names and that
are there; both count as often as the network saw them.

    MEDSYNTH_SHARED=../shared python scripts/card_features.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion

from napari_medsynth.catalogue import read_pack, write_pack
from napari_medsynth.io import Study, read_study
from napari_medsynth.prepare.features import Look, look_at, summary_of
from napari_medsynth.resources import resource
from napari_medsynth.simulate import (
    ScanSettings,
    add_lesions,
    individual_anatomy,
    load_anatomy,
    simulate_study,
)
from napari_medsynth.training.job import TrainJob, read_job

SCANS_PER_BRAIN = 2


def main() -> None:
    """Rewrite the pack and say of what."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pack", type=Path, default=_RESVIT)
    parser.add_argument("--recipe", type=Path, default=_RECIPE)
    options = parser.parse_args()
    pack, job = read_pack(options.pack), read_job(options.recipe)
    made = [_looks(study) for study in simulated(job, job.data.n_anatomies)]
    real = [_looks(study) for study in real_subjects(job)]
    looks: dict[str, list[Look]] = {}
    weights: dict[str, list[float]] = {}
    share = job.data.simulated_share if real else 1.0
    for subjects, part in ((made, share), (real, 1 - share)):
        for subject in subjects:
            for modality, look in subject.items():
                looks.setdefault(modality, []).append(look)
                weights.setdefault(modality, []).append(part / len(subjects))
    ordered = {m: looks[m] for m in pack.card.inputs}
    card = replace(pack.card, features=summary_of(ordered, weights))
    written = write_pack(pack.path, card, pack.weights()).card
    print(f"{written.id}: {len(made)} made-up scans, {len(real)} real subject(s).")
    print(f"sha256 {written.sha256}, as before: {written.sha256 == pack.card.sha256}")


def simulated(job: TrainJob, n_brains: int) -> Iterator[Study]:
    """Give scans of the brains that the recipe's seed makes up."""
    average = load_anatomy()
    for number in range(n_brains):
        rng = np.random.default_rng((job.learn.seed, 1, number))  # as SimulatedSlices
        strength = rng.uniform(0.7, 1.3)
        brain = individual_anatomy(average, rng, strength=strength)
        brain = add_lesions(brain, rng, int(rng.integers(job.data.n_lesions + 1)))
        for scan in range(SCANS_PER_BRAIN):
            seed = job.learn.seed + SCANS_PER_BRAIN * number + scan
            study = simulate_study(seed, anatomy=brain, settings=_scanner(rng))
            yield _peeled(study, brain.brain, int(rng.integers(0, 4)))


def real_subjects(job: TrainJob) -> Iterator[Study]:
    """Give the recipe's real subjects that are there."""
    for named in job.data.studies:
        paths = {
            modality: Path(path)
            for modality, path in named.items()
            if modality != "subject"
        }
        if all(path.is_file() for path in paths.values()):
            yield read_study(paths)


def _scanner(rng: np.random.Generator) -> ScanSettings:
    """Draw artefacts as training/data/scanner.py does."""
    return ScanSettings(
        bias=rng.uniform(0, 0.1),
        noise=rng.uniform(0.002, 0.04),
        fwhm=rng.uniform(0, 1.8) * (rng.uniform() < 0.4),
        thickness=float(rng.choice([1, 1, 1, 2, 3, 4])),
    )


def _peeled(study: Study, brain: np.ndarray, rim: int) -> Study:
    """Take `rim` voxels of the surface away, as other brain extractions do."""
    if not rim:
        return study
    core = binary_erosion(brain, iterations=rim)
    return replace(
        study,
        volumes={
            m: v.with_data(np.where(core, v.data, 0).astype(np.float32))
            for m, v in study.volumes.items()
        },
    )


def _looks(study: Study) -> Mapping[str, Look]:
    return {modality: look_at(volume) for modality, volume in study.volumes.items()}


_RESVIT = resource("packs", "resvit-starter.safetensors")
_RECIPE = resource("training", "starter.toml")


if __name__ == "__main__":
    main()
