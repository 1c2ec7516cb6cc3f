"""How well the input passport guesses contrasts and finds skulls; prints tables.

    MEDSYNTH_SHARED=../shared python benchmarks/passport.py

Made-up subjects are none of those whose features the card keeps; of the real ones it
keeps stroke_cstar.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from _subjects import lesjak, longitudinal, stroke
from napari_medsynth.catalogue import get_card
from napari_medsynth.io import Study, read_study
from napari_medsynth.prepare import look_at
from napari_medsynth.prepare.features import distance, likeness
from napari_medsynth.simulate import MODALITIES, simulate_study

FIRST_SEED = 900_001  # of no training or test data of ours


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--model", default="starter")
    options = parser.parse_args()
    features = get_card(options.model).features
    counts: Counter[tuple[str, str]] = Counter()
    n_skulls = 0
    for seed in range(FIRST_SEED, FIRST_SEED + options.subjects):
        for modality, volume in simulate_study(seed).volumes.items():
            look = look_at(volume)
            n_skulls += look.has_skull
            counts[modality, next(iter(likeness(look.features, features)))] += 1
    print("| made-up, is \\ guessed | " + " | ".join(MODALITIES) + " |")
    print("| --- |" + " --- |" * len(MODALITIES))
    for one in MODALITIES:
        row = " | ".join(str(counts[one, other]) for other in MODALITIES)
        print(f"| {one} | {row} |")
    print(f"\nSkulls found in made-up brains: {n_skulls} of {counts.total()}.\n")
    _real(features)


def _real(features: dict) -> None:
    print("| real subject | is | guessed | distance to it | next | own | skull |")
    print("| --- |" * 1 + " --- |" * 6)
    for name, study in _subjects(Path(os.environ["MEDSYNTH_SHARED"])):
        for modality, volume in study.volumes.items():
            look = look_at(volume)
            near = likeness(look.features, features)
            (guess, best), (second, after) = list(near.items())[:2]
            known = modality in features["modalities"]
            own = distance(look.features, features, modality) if known else float("nan")
            skull = "yes" if look.has_skull else "no"
            print(
                f"| {name} | {modality} | {guess} | {best:.2f} | {second} {after:.2f} "
                f"| {own:.2f} | {skull} |"
            )


def _subjects(shared: Path) -> Iterator[tuple[str, Study]]:
    brain = shared / "data" / "brain"
    yield "stroke_cstar", stroke(shared)
    yield "ms_lesjak_p07", lesjak(shared)
    t1ce = read_study({"T1ce": brain / "ms_lesjak_p07" / "T1ce.nii.gz"})
    yield "ms_lesjak_p07", t1ce
    yield "ms_longitudinal_p04, extracted", longitudinal(shared)
    native = brain / "ms_longitudinal_p04_native"
    names = {"T1": "T1W", "T2": "T2W", "FLAIR": "FLAIR"}
    yield (
        "ms_longitudinal_p04, with skull",
        read_study({m: native / f"{n}.nii.gz" for m, n in names.items()}),
    )
    folder = brain / "templates_2mm"
    for modality, name in (
        ("T1", "avg152T1"),
        ("T2", "avg152T2"),
        ("PD", "avg152PD"),
        ("CT", "scct_CT"),
    ):
        yield "templates_2mm", read_study({modality: folder / f"{name}.nii.gz"})


if __name__ == "__main__":
    main()
