"""What the networks of ``models.py`` learn from, and how they are judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from _baseline import IntensityMapping
from _contenders import DENOISING, SUPER_RESOLUTION, TRANSLATION, Task
from _rivals import Rival, denoisers, middle
from napari_medsynth.catalogue import ModelCard
from napari_medsynth.engine.intensity import fit_normalisation
from napari_medsynth.engine.metrics import foreground, psnr, ssim
from napari_medsynth.engine.predict import predict
from napari_medsynth.engine.restore import restore
from napari_medsynth.io import Study, Volume, read_study, write_volume
from napari_medsynth.simulate import ScanSettings, present_volume, simulate_study
from restoration import Case, Unit

CONTRASTS = ("T1", "T2")
FIRST_HELD_OUT = 900001  # training seeds are 1, 2, ...
PERCENTILE = {"kind": "percentile"}
NOISELESS = ScanSettings(noise=0.0)  # the truth of a restoration
N_TUNING = 2  # slices for the settings of the denoiser

Scores = dict[str, float]


@dataclass(frozen=True)
class Trial:
    """Simulated subjects of one task, to learn from and to be judged on.

    Parameters
    ----------
    task : Task
    folder : Path
        Subjects are kept there.
    n_subjects, n_held_out, n_slices : int
        Subjects to learn from; subjects and slices of each to be judged on.
    """

    task: Task
    folder: Path
    n_subjects: int
    n_held_out: int
    n_slices: int

    def studies(self) -> list[dict[str, str]]:
        """Give the files to learn from, as `DataConfig.studies`."""
        found = []
        for seed in range(1, self.n_subjects + 1):
            files = self._files(seed)
            if self.task is TRANSLATION:
                found.append({"subject": f"s{seed}", **files})
                continue
            (output,) = self.task.outputs
            found += [
                {"subject": f"s{seed} {c}", "person": f"s{seed}", output: path}
                for c, path in files.items()
            ]
        return found

    def quality(self, card: ModelCard, model: nn.Module) -> Scores:
        """Judge a network on the held-out subjects."""
        if self.task is TRANSLATION:
            return self._translated(
                lambda study, where: _made(study, where, card, model)
            )
        return self._restored(lambda worse: _better(worse, card, model))

    def baselines(self) -> Iterator[tuple[str, Scores]]:
        """Judge what needs no network."""
        if self.task is TRANSLATION:
            mapping = self._mapping()
            yield (
                "intensity mapping",
                self._translated(
                    lambda study, where: mapping(_normalised(study, "T1", where)[None])
                ),
            )
        elif self.task is SUPER_RESOLUTION:
            yield "bicubic", self._restored(self._enlarged)
        elif self.task is DENOISING:
            yield "nothing", self._restored(lambda worse: worse.data[0])
            cases = self._cases(next(self._held_in()), N_TUNING)
            best = denoisers()[0].tuned([c.pair() for c in cases], _psnr)
            print(f"{best.name}: {dict(best.settings or {})}")
            yield best.name, self._restored(best)

    def _restored(self, rival: Rival) -> Scores:
        found = []
        for seed in self._held_out_seeds():
            for case in self._cases(read_study(self._files(seed)), self.n_slices):
                worse, truth = case.pair()
                found.append(case.unit.scores(rival(worse), truth.data[0]))
        return _mean(found)

    def _translated(self, rival: Callable[[Study, list[int]], np.ndarray]) -> Scores:
        found = []
        for seed in self._held_out_seeds():
            study = read_study(self._files(seed))
            where = _spread(study["T1"].shape[0], self.n_slices)
            truth = _normalised(study, "T2", where)
            made, mask = rival(study, where), foreground(truth)
            a, b = (made + 1) / 2, (truth + 1) / 2
            found.append({f.__name__: f(a, b, mask=mask) for f in (psnr, ssim)})
        return _mean(found)

    def _cases(self, study: Study, n_slices: int) -> Iterator[Case]:
        for contrast in CONTRASTS:
            truth = middle(study[contrast], n_slices)
            fit = fit_normalisation(truth.data, PERCENTILE)
            unit = Unit(fit.low, fit.high, is_masked=True)
            yield Case(contrast, truth, dict(self.task.degradation), unit)

    def _enlarged(self, worse: Volume) -> np.ndarray:
        card = ModelCard(
            id="bicubic",
            family="",
            task=self.task.kind,
            title="",
            factory="",
            inputs=self.task.inputs,
            outputs=self.task.outputs,
            degradation=self.task.degradation,
        )
        return present_volume(worse, card, plane="axial").data[0]

    def _mapping(self) -> IntensityMapping:
        mapping = IntensityMapping([0], 1)
        for study in self._held_in():
            every = range(study["T1"].shape[0])
            images = np.stack([_normalised(study, c, every) for c in CONTRASTS])
            mapping.fit(images, images)
        return mapping

    def _held_in(self) -> Iterator[Study]:
        for seed in range(1, self.n_subjects + 1):
            yield read_study(self._files(seed))

    def _held_out_seeds(self) -> range:
        return range(FIRST_HELD_OUT, FIRST_HELD_OUT + self.n_held_out)

    def _files(self, seed: int) -> dict[str, str]:
        """Simulate a subject, unless that was done before; give files by contrast."""
        is_clean = self.task is not TRANSLATION
        folder = self.folder / ("clean" if is_clean else "scanned") / str(seed)
        paths = {c: folder / f"{c}.nii.gz" for c in CONTRASTS}
        if not all(path.is_file() for path in paths.values()):
            settings = NOISELESS if is_clean else ScanSettings()
            study = simulate_study(seed, modalities=CONTRASTS, settings=settings)
            folder.mkdir(parents=True, exist_ok=True)
            for contrast, path in paths.items():
                write_volume(study[contrast], path)
        return {contrast: str(path) for contrast, path in paths.items()}


def _made(
    study: Study, where: list[int], card: ModelCard, model: nn.Module
) -> np.ndarray:
    """Give the T2 that a network makes of the T1, (N, H, W) in [-1, 1]."""
    options = {"sources": ("T1",), "targets": ("T2",), "slices": where}
    given = replace(study, volumes={"T1": study["T1"]})
    result = _result(predict(given, card, model=model, precision="fp32", **options))
    # predict gives a synthesis the unit of its first source: take that back.
    fit = fit_normalisation(study["T1"].data[0], PERCENTILE)
    return fit.forward(result.volumes["T2"].data[0][where])


def _better(worse: Volume, card: ModelCard, model: nn.Module) -> np.ndarray:
    """Give what a network restores, (Z, Y, X)."""
    result = _result(restore(worse, card, model=model, precision="fp32"))
    return result.volumes[card.outputs[0]].data[0]


def _result(steps):
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def _normalised(study: Study, contrast: str, where) -> np.ndarray:
    """Give slices in [-1, 1] by the percentiles of their volume."""
    data = study[contrast].data[0]
    return fit_normalisation(data, PERCENTILE).forward(data[list(where)])


def _spread(depth: int, n: int) -> list[int]:
    return np.linspace(0.15 * depth, 0.85 * depth, n).round().astype(int).tolist()


def _psnr(image: np.ndarray, truth: np.ndarray) -> float:
    fit = fit_normalisation(truth, PERCENTILE)
    return Unit(fit.low, fit.high, is_masked=True).scores(image, truth)["psnr"]


def _mean(found: list[Mapping[str, float]]) -> Scores:
    return {key: float(np.mean([f[key] for f in found])) for key in ("psnr", "ssim")}
