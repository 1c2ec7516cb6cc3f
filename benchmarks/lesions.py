"""How far can the starter be believed on a real subject with lesions? Prints tables.

    MEDSYNTH_SHARED=../shared python benchmarks/lesions.py [--step 2] [--patients 10]

FLAIR of `ms_lesjak_p07` is made from T1 and T2; the subject was never trained on, but
recipes were chosen on it. In the lesions of its mask and outside: the error, the spread
of augmented syntheses, and whether the spread knows of the error. The intervals are
calibrated on simulated subjects that were not trained on, because there is one real
subject. Last come the honesty tests of every kind of map on this subject;
``benchmarks/honesty.py`` has those of the sample study.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from _subjects import lesjak
from napari_medsynth.catalogue import get_card
from napari_medsynth.engine.prepared import Prepared, prepare_study
from napari_medsynth.engine.progress import exhausted
from napari_medsynth.engine.slice_network import SliceNetwork
from napari_medsynth.evaluate import declare, labels_on, measure, regions_of
from napari_medsynth.explain.honesty import check_map
from napari_medsynth.explain.making import map_maker
from napari_medsynth.explain.methods import METHODS, MapSource
from napari_medsynth.explain.query import query_at
from napari_medsynth.io import Study, read_study
from napari_medsynth.simulate import simulate_study
from napari_medsynth.trust.calibration import Calibration
from napari_medsynth.trust.conformal import Case, calibrate, case_of, half_width
from napari_medsynth.trust.contribution import contributions
from napari_medsynth.trust.uncertainty import Uncertainty, uncertainty

TARGET, SOURCES = "FLAIR", ("T1", "T2")
FIRST_SEED = 900_101  # of the calibration: seeds that no training knows
METRICS = ("psnr", "ssim", "ms_ssim", "mae", "nmse")
LIMIT = 0.2  # half-width of an interval that is not to be trusted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=2, help="every n-th slice")
    parser.add_argument("--patients", type=int, default=10)
    options = parser.parse_args()
    shared = Path(os.environ.get("MEDSYNTH_SHARED", "../shared"))
    if not shared.is_dir():
        raise SystemExit(f"No shared data at {shared}: set MEDSYNTH_SHARED.")
    network = SliceNetwork(get_card("resvit-starter"))
    study = lesjak(shared)
    real_subject(study, shared, network, options)
    print("\nHonesty of maps: the middle axial slice, FLAIR of T1 and T2.")
    print("Change of the synthesis without the most, random and least marked regions.")
    print_head(
        *("map", "asked from", "like random weights"),
        *("most", "random", "least", "faithful", "verdict"),
    )
    honesty(study, network)


def real_subject(
    study: Study, shared: Path, network: SliceNetwork, options: argparse.Namespace
) -> None:
    folder = shared / "data" / "brain" / "ms_lesjak_p07"
    mask = read_study({"T1": folder / "lesion_mask.nii.gz"})["T1"]  # any name will do
    lesions = labels_on(mask, study[TARGET])
    prepared = prepare_study(shown(study), network.card, targets=[TARGET])
    found = spread_of(prepared, network, 1)
    print("ms_lesjak_p07, FLAIR made of T1 and T2: the mean of 8 augmented syntheses.")
    regions(study, found, lesions)
    case = case_of(prepared, found, TARGET, study[TARGET])
    made_up = (simulate_study(FIRST_SEED + i) for i in range(options.patients))
    cases = [one_case(other, network, 4 * options.step) for other in made_up]
    calibration = calibrate(cases)
    print(f"\nCalibrated on simulated subjects: {calibration.statement}")
    print("Errors and spreads are shares of the range that the network paints in.")
    inside_and_outside(case, lesions > 0, calibration)
    middle = range(prepared.n_slices // 4, 3 * prepared.n_slices // 4, 4 * options.step)
    tally = exhausted(contributions(prepared, network, middle)).tally
    print_head("source", "share", "change when left out", "off when alone")
    for source in SOURCES:
        numbers = (tally.shares, tally.left_out, tally.alone)
        print_row([source, *(f"{n[TARGET][source]:.1%}" for n in numbers)])


def regions(study: Study, found: Uncertainty, lesions: np.ndarray) -> None:
    """Numbers per region, as the Compare dock gives them."""
    truth = study[TARGET]
    declaration = declare(truth)
    print(declaration.sentence)
    print_head("region", "voxels", *METRICS)
    inside = regions_of(truth, {"lesions": lesions})
    made = found.mean[TARGET]
    for row in exhausted(measure(made, truth, inside, declaration, model="starter")):
        values = [f"{row.values[m]:.3f}" for m in METRICS]
        print_row([row.region, row.n_voxels, *values])


def inside_and_outside(
    case: Case, lesions: np.ndarray, calibration: Calibration
) -> None:
    """Error and spread in the lesions and outside."""
    error = np.abs(case.truth - case.made)
    half = half_width(case.spread, calibration)
    print_head(
        *("voxels", "number", "error", "spread", "rank correlation"),
        *("truth inside the interval", f"marked (half-width > {LIMIT})"),
    )
    parts = {
        "head": case.mask,
        "lesions": case.mask & lesions,
        "head without lesions": case.mask & ~lesions,
    }
    for name, mask in parts.items():
        rho = spearmanr(case.spread[mask], error[mask]).statistic
        numbers = f"{error[mask].mean():.3f}", f"{case.spread[mask].mean():.3f}"
        shares = (error <= half)[mask].mean(), (half > LIMIT)[mask].mean()
        print_row(
            [name, mask.sum(), *numbers, f"{rho:.2f}", *(f"{s:.0%}" for s in shares)]
        )


def honesty(study: Study, network: SliceNetwork) -> None:
    """Test the maps of the middle slice, asked from everywhere and from one place."""
    prepared = prepare_study(shown(study), network.card, targets=[TARGET])
    index = prepared.n_slices // 2
    height, width = prepared.frame.size
    place = query_at(prepared, height // 2, width // 3, radius=2)
    for key, method in METHODS.items():
        for query in (None, place):
            if query is None and not method.can_forward:
                continue
            asked = {"target": TARGET, "is_reverse": not method.can_forward}
            make = map_maker(MapSource(key), query, **asked)
            steps = check_map(prepared, network, index, make, query=query, **asked)
            found = exhausted(steps)
            curves = (found.most, found.random, found.least)
            print_row(
                [
                    *(method.title, "one place" if query else "whole slice"),
                    f"{found.similarity_to_random:.2f}",
                    *(f"{np.mean(curve):.2%}" for curve in curves),
                    f"{found.faithfulness:.2f}",
                    "passed" if found.passed else "failed",
                ]
            )


def shown(study: Study) -> Study:
    return Study({m: study[m] for m in SOURCES})


def one_case(study: Study, network: SliceNetwork, step: int) -> Case:
    prepared = prepare_study(shown(study), network.card, targets=[TARGET])
    found = spread_of(prepared, network, step)
    return case_of(prepared, found, TARGET, study[TARGET])


def spread_of(prepared: Prepared, network: SliceNetwork, step: int) -> Uncertainty:
    indices = [i for i in range(0, prepared.n_slices, step) if not prepared.is_empty(i)]
    found: Uncertainty = exhausted(uncertainty(prepared, [network], indices=indices))
    return found


def print_row(cells: Iterable[object]) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def print_head(*names: str) -> None:
    print()
    print_row(names)
    print_row("---" for _ in names)


if __name__ == "__main__":
    main()
