"""How good are the packs that restore? Prints PSNR, SSIM and MAE beside old methods.

    MEDSYNTH_SHARED=../shared python benchmarks/restoration.py [--packs ID] [--write]

On scans that training never saw, made worse here, and beside what needs no training:
interpolation where the image is enlarged, and the denoisers of scikit-image where it is
not. Their settings are chosen by PSNR twice: on the training scans, and on the very
scan that is measured ("own best"), which is more than they could know. Where smoothing
hurts the training scans the first choice does hardly anything, and to beat only that
shows little: a network stands beside the best of all. Worse images are made by the
degradation that the network was trained on; real thick slices and real low doses are
another matter. All are measured in one unit: X-rays over their whole range, MR inside
the head over the percentiles of the real image, CT inside the body in the window -160
to 240 HU. The phantom's scans with a sharp kernel have real noise, of which there is no
clean image: the standard deviation and the mean of a uniform part are shown.
``--write`` puts the table into the cards.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from _rivals import Denoiser, Rival, denoisers, enlargers, middle
from napari_medsynth.catalogue import ModelCard
from napari_medsynth.catalogue.pack import ModelPack, read_pack, write_pack
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.engine.metrics import foreground, mae, psnr, ssim
from napari_medsynth.engine.restore import restore
from napari_medsynth.engine.weights import load_weights, numpy_to_state
from napari_medsynth.io import Volume, read_volume
from napari_medsynth.resources import resource
from napari_medsynth.simulate import degrade_volume, factor_of, simulate_study

WINDOW, BODY = (-160.0, 240.0), -500.0  # [HU]
HELD_OUT_SEED = 900001
MEASURES = ("psnr", "ssim", "mae")
DOSES = (0.25, 0.1)
# The head is small and was scanned well: fewer photons make its noise a patient's.
LOW_DOSE = {"kind": "low-dose", "photons": 1e5, "electronic": 10.0}
N_TUNING = 3  # slices of each training scan

Row = dict[str, object]


@dataclass(frozen=True)
class Unit:
    """How an image is made a picture in [0, 1], and where it counts."""

    low: float
    high: float
    is_masked: bool = False
    is_ct: bool = False  # clipped to the window, and measured inside the body

    def scores(self, image: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Measure (Z, Y, X) against the truth."""
        a, b = ((x - self.low) / (self.high - self.low) for x in (image, truth))
        mask = foreground(truth) if self.is_masked else None
        if self.is_ct:
            a, b, mask = np.clip(a, 0, 1), np.clip(b, 0, 1), truth > BODY
        return {f.__name__: f(a, b, mask=mask) for f in (psnr, ssim, mae)}


@dataclass(frozen=True)
class Case:
    """One scan that is made worse in one way."""

    label: str
    truth: Volume
    spec: dict[str, object]
    unit: Unit

    def pair(self) -> tuple[Volume, Volume]:
        """Give the worse scan, and the good one without what fills no coarse voxel."""
        worse = degrade_volume(self.truth, self.spec, np.random.default_rng(5))
        rows, columns = factor_of(self.spec)
        sides = np.array(self.truth.shape)
        axes = (0, 1) if self.spec["kind"] == "thick-slices" else (1, 2)
        for axis, factor in zip(axes, (rows, columns), strict=True):
            sides[axis] -= sides[axis] % factor
        z, y, x = sides
        return worse, self.truth.with_data(self.truth.data[:, :z, :y, :x])


def radiographs(data: Path, card: ModelCard) -> Iterator[Case]:
    files = {
        "real NIH 00000050 (held out)": "nih_00000050_000.png",
        "real CR DICOM 440 x 440 (held out)": "gdcm-CR-MONO1-10-chest.dcm",
        "real NIH 00000002 (trained on)": "nih_00000002_000_nofinding.png",
    }
    for label, name in files.items():
        truth = read_volume(data / "cxr" / name)
        unit = Unit(float(truth.data.min()), float(truth.data.max()))
        yield Case(label, truth, dict(card.degradation), unit)


def heads(data: Path, card: ModelCard) -> Iterator[Case]:
    def case(label: str, truth: Volume) -> Case:
        fit = fit_normalisation(truth.data, {"kind": "percentile"})
        spec = {**card.degradation, "noise": 0.01}
        return Case(label, truth, spec, Unit(fit.low, fit.high, is_masked=True))

    folder = data / "brain" / "ms_lesjak_p07"
    for name in ("T1", "T1ce", "T2", "FLAIR"):
        truth = read_volume(folder / f"{name}.nii.gz")
        yield case(f"real ms_lesjak_p07 {name} (held out)", truth)
    study = simulate_study(HELD_OUT_SEED)
    for name in ("T1", "T2"):
        yield case(f"simulated {name}", study[name])


def ct_scans(data: Path, card: ModelCard) -> Iterator[Case]:
    unit = Unit(*WINDOW, is_ct=True)
    folder = data / "ct" / "phantom_head_recon_triplet"
    for name in ("std1mm_idose", "std5mm"):
        truth = read_volume(folder / f"{name}.nii.gz")
        for dose in DOSES:
            label = f"phantom head {name}, dose {dose:g} (recipe was chosen on it)"
            yield Case(label, truth, {**LOW_DOSE, "dose": dose}, unit)
    # A wide patient, whom a scanner would have given more.
    wide = {**LOW_DOSE, "photons": 1e7}
    truth = middle(read_volume(data / "dicom" / "ct_abdomen_j2k_20slices"), N_TUNING)
    for dose in DOSES:
        label = f"real abdomen 512 x 512, dose {dose:g} (recipe was chosen on it)"
        yield Case(label, truth, {**wide, "dose": dose}, unit)
    for label, truth in _training_ct(data):
        spec = {**card.degradation, "dose": 0.25}
        yield Case(f"real {label}, dose 0.25 (trained on)", truth, spec, unit)


def _training_ct(data: Path) -> Iterator[tuple[str, Volume]]:
    paths = {
        "abdomen 3 mm": data / "ct" / "abdomen_pelvis_totalseg_3mm.nii.gz",
        "lung": data / "ct" / "lung_elastix_small.mha",
    }
    for label, path in paths.items():
        yield label, middle(read_volume(path), N_TUNING)


CASES: dict[str, Callable[[Path, ModelCard], Iterator[Case]]] = {
    "cxr-x2": radiographs,
    "cxr-x4": radiographs,
    "mr-x2-through-plane": heads,
    "ct-low-dose": ct_scans,
}


def tuned_denoisers(data: Path, card: ModelCard) -> list[Denoiser]:
    """Choose the settings of the denoisers on the scans that the network saw."""
    unit = Unit(*WINDOW, is_ct=True)
    pairs = [
        Case("", truth, {**card.degradation, "dose": dose}, unit).pair()
        for _, truth in _training_ct(data)
        for dose in DOSES
    ]
    chosen = [
        one.tuned(pairs, lambda a, b: unit.scores(a, b)["psnr"]) for one in denoisers()
    ]
    for one in chosen:
        print(f"{one.name}: {one.settings}")
    return chosen


def measured(case: Case, run: Rival, tuned: Sequence[Denoiser], card: ModelCard) -> Row:
    """Score the network and every rival on one case."""
    worse, truth = case.pair()
    rivals: dict[str, Rival] = {one.name: one for one in tuned}
    if factor_of(case.spec) != (1, 1):
        rivals = enlargers(card, truth.shape)
    else:
        rivals = {"nothing": lambda volume: volume.data[0], **rivals}

        def score(a: np.ndarray, b: np.ndarray) -> float:
            return case.unit.scores(a, b)["psnr"]

        for one in tuned:
            rivals[f"{one.name}, own best"] = one.tuned([(worse, truth)], score)
    good = truth.data[0]
    row: Row = {
        "data": case.label,
        "available": card.inputs[0],
        "target": card.outputs[0],
        **case.unit.scores(run(worse), good),
    }
    found = {
        name: case.unit.scores(rival(worse), good) for name, rival in rivals.items()
    }
    best = max(found, key=lambda name: found[name]["psnr"])
    row |= {f"baseline_{key}": found[best][key] for key in MEASURES}
    row["baseline"] = best
    for name, scores in found.items():
        print(f"  {case.label}: {name} {_cells(scores)}")
    print(f"  {case.label}: {card.id} {_cells(row)}")
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}


def _cells(scores: Row) -> str:
    return f"{scores['psnr']:.2f} {scores['ssim']:.4f} {scores['mae']:.5f}"


def runner(pack: ModelPack) -> Rival:
    """Give what restores a volume with a pack."""
    model = build_model(pack.card)
    load_weights(model, numpy_to_state(pack.weights()), name=pack.card.title)

    def run(worse: Volume) -> np.ndarray:
        steps = restore(worse, pack.card, model=model, precision="fp32")
        while True:
            try:
                next(steps)
            except StopIteration as finished:
                return finished.value.volumes[pack.card.outputs[0]].data[0]

    return run


def real_noise(data: Path, run: Rival, tuned: Sequence[Denoiser]) -> None:
    """Print what is left of the real noise in a uniform part of the phantom."""
    folder = data / "ct" / "phantom_head_recon_triplet"
    quiet = read_volume(folder / "std1mm_idose.nii.gz").data[0]
    mean = uniform_filter(quiet, (1, 15, 15))
    spread = np.sqrt(np.maximum(uniform_filter(quiet**2, (1, 15, 15)) - mean**2, 0))
    part = (spread < 4) & (mean > 0) & (mean < 150)
    noisy = read_volume(folder / "bone1mm.nii.gz")
    rivals = {"nothing": lambda v: v.data[0], **{d.name: d for d in tuned}}
    print(f"\nReal noise, bone kernel 1 mm, {part.sum()} voxels in uniform parts:\n")
    print("| method | noise [HU] | mean [HU] |\n| --- | --: | --: |")
    for name, rival in {**rivals, "ct-low-dose": run}.items():
        image = rival(noisy)
        # Local noise: the phantom's parts differ in density.
        local = image - uniform_filter(image, (1, 15, 15))
        print(f"| {name} | {local[part].std():.2f} | {image[part].mean():.2f} |")


def print_table(rows: list[Row]) -> None:
    print("\n| data | PSNR | SSIM | MAE | best of the others | PSNR | SSIM | MAE |")
    print("| --- | --: | --: | --: | --- | --: | --: | --: |")
    for row in rows:
        both = [
            " | ".join(
                [f"{row[p + 'psnr']:.2f}"]
                + [f"{row[p + key]:.4f}" for key in ("ssim", "mae")]
            )
            for p in ("", "baseline_")
        ]
        print(f"| {row['data']} | {both[0]} | {row['baseline']} | {both[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packs", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--folder", type=Path, default=None, help="of the packs")
    parser.add_argument(
        "--write", action="store_true", help="put the table in the cards"
    )
    options = parser.parse_args()
    if "MEDSYNTH_SHARED" not in os.environ:
        parser.error("set MEDSYNTH_SHARED to the folder of the shared data")
    data = Path(os.environ["MEDSYNTH_SHARED"]) / "data"
    folder = options.folder or resource("packs")
    for name in options.packs:
        path = folder / f"{name}.safetensors"
        if not path.is_file():
            print(f"{name}: no pack")
            continue
        pack = read_pack(path)
        card, run = pack.card, runner(pack)
        tuned = tuned_denoisers(data, card) if CASES[name] is ct_scans else []
        rows = [measured(case, run, tuned, card) for case in CASES[name](data, card)]
        print_table(rows)
        if CASES[name] is ct_scans:
            real_noise(data, run, tuned)
        if options.write:
            write_pack(path, replace(card, quality=tuple(rows)), pack.weights())


if __name__ == "__main__":
    main()
