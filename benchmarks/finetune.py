"""What does a short fine-tuning bring, and what does it cost? Prints three tables.

    MEDSYNTH_SHARED=../shared python benchmarks/finetune.py [--device cuda]

1. Shifted scanner: simulated subjects scanned with other TE and TR, more bias and more
   noise than the starter has seen; tuned on four of them, judged on three others. How
   much of the PSNR that the shift has cost comes back?
2. Real: tuned on one real subject of a site, judged on another subject. One subject is
   little; both directions are shown, whatever they say.
3. Speed and memory: samples per second of our loop against a plain PyTorch loop of the
   same network, loss and batches, in turns.

``--device cuda`` runs all of it on a GPU.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import torch

from _subjects import lesjak, longitudinal
from napari_medsynth.catalogue import get_pack, read_pack
from napari_medsynth.engine.device import choose_device
from napari_medsynth.io import Study, write_volume
from napari_medsynth.simulate import simulate_study, site_studies
from napari_medsynth.training import DataConfig, TrainConfig, TrainJob
from napari_medsynth.training.data.batches import Batches
from napari_medsynth.training.data.samples import Subject
from napari_medsynth.training.events import Started, Step
from napari_medsynth.training.guard.judge import contender_of, judge
from napari_medsynth.training.guard.verdict import Verdict
from napari_medsynth.training.loop import gather, mixture_of, train
from napari_medsynth.training.network import start_network
from napari_medsynth.training.objectives.losses import Counts, supervised_losses
from napari_medsynth.training.presets import apply_preset

BASE = "resvit-starter"
MEASURES = ("psnr", "ssim", "mae")
BUDGET = 500  # slices that each model synthesises per comparison
N_TIMED = 30  # steps of either loop, per turn

TEST_SEED = 820_001  # of the first test subject
N_TRAIN, N_TEST = 4, 3


def written(study: Study, folder: Path, name: str) -> Subject:
    """Write a study as the files that a job reads."""
    files = {}
    for modality, volume in study.volumes.items():
        path = folder / name / f"{modality}.nii.gz"
        write_volume(volume, path)
        files[modality] = str(path)
    return Subject(name, files)


def exhausted(steps):
    """Run a generator to its end; give what it yielded and what it returned."""
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as finished:
            return events, finished.value


def tuned(
    subjects: Sequence[Subject], learn: TrainConfig, folder: Path, **data: object
) -> tuple[Path, list]:
    """Fine-tune the starter on subjects; nothing of the test subjects is seen."""
    studies = tuple({"subject": s.name, **s.files} for s in subjects)
    job = TrainJob(
        id="tuned",
        title="Tuned",
        base=BASE,
        data=DataConfig(studies=studies, held_out_share=0.0, **data),
        learn=learn,
    )
    events, done = exhausted(train(job, folder=folder))
    return Path(done.pack), events


def compared(base: Path | None, pack: Path, tests: Sequence[Subject], device: str):
    """Judge two packs; None is the starter."""
    contenders = [
        contender_of(get_pack(BASE) if path is None else read_pack(path), device=device)
        for path in (base, pack)
    ]
    _, verdict = exhausted(judge(*contenders, tests, budget=BUDGET))
    return verdict


def means(verdict: Verdict, prefix: str = "") -> list[float]:
    return [float(np.mean([r[prefix + m] for r in verdict.rows])) for m in MEASURES]


def row(*cells: object) -> None:
    texts = [f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + " | ".join(texts) + " |")


def header(*names: str) -> None:
    row(*names)
    print("| --- |" + " --: |" * (len(names) - 1))


def shifted_scanner(learn: TrainConfig, folder: Path, device: str) -> None:
    print(f"\n## Shifted scanner ({learn.epochs} epochs, {N_TRAIN} subjects)\n")
    trains, tests = (
        [written(study, folder, f"site-{study.subject}") for study in studies]
        for studies in (
            site_studies(N_TRAIN),
            site_studies(N_TEST, first_seed=TEST_SEED),
        )
    )
    seeds = range(TEST_SEED, TEST_SEED + N_TEST)
    usual = [written(simulate_study(s), folder, f"usual-{s}") for s in seeds]
    pack, events = tuned(trains, learn, folder / "run-shifted")
    here = compared(None, pack, tests, device)
    there = compared(None, pack, usual, device)
    header("model, scanner", *(m.upper() for m in MEASURES))
    row("starter, usual scanner", *means(there, "base_"))
    row("starter, shifted scanner", *means(here, "base_"))
    row("tuned, shifted scanner", *means(here))
    row("tuned, usual scanner (forgetting)", *means(there))
    lost = means(there, "base_")[0] - means(here, "base_")[0]
    back = means(here)[0] - means(here, "base_")[0]
    share = f"{back / lost:.0%}"
    print(f"\nLost by the shift {lost:.2f} dB, regained {back:.2f} dB ({share}).")
    print(f"Verdict: {here.sentence}")
    print_cost(events)


def real_subjects(learn: TrainConfig, shared: Path, folder: Path, device: str) -> None:
    print(f"\n## Real subjects ({learn.epochs} epochs, one subject)\n")
    subjects = [
        written(lesjak(shared), folder, "ms_lesjak_p07"),
        written(longitudinal(shared), folder, "ms_longitudinal_p04"),
    ]
    header("tuned on", "judged on", "model", *(m.upper() for m in MEASURES))
    sentences = []
    for one, other in (subjects, subjects[::-1]):
        pack, _ = tuned([one], learn, folder / f"run-{one.name}")
        verdict = compared(None, pack, [other], device)
        row(one.name, other.name, "starter", *means(verdict, "base_"))
        row(one.name, other.name, "tuned", *means(verdict))
        for found in verdict.rows:
            name = f"{found['available']} to {found['target']}"
            change = found["psnr"] - found["base_psnr"]
            sentences.append(f"- on {other.name}, {name}: {change:+.2f} dB")
        sentences.append(f"- verdict: {verdict.sentence}")
    print("\n" + "\n".join(sentences))


def print_cost(events: list) -> None:
    started = next(e for e in events if isinstance(e, Started))
    steps = [e for e in events if isinstance(e, Step)]
    print(
        f"Training: {steps[-1].step} steps of {started.batch_size} slices in "
        f"{steps[-1].seconds:.0f} s on {started.device} ({started.precision}), "
        f"{steps[-1].memory:.1f} GiB."
    )


def speed(folder: Path, device: str) -> None:
    """Take turns: our loop, a plain loop; the same batches, drawn before."""
    print(f"\n## Speed on {device_name(device)}\n")
    subject = written(simulate_study(830001), folder, "speed")
    header("precision", "ours [samples/s]", "plain loop [samples/s]", "ratio")
    for precision in ("fp32", "bf16"):
        learn = TrainConfig(
            epochs=1,
            steps_per_epoch=N_TIMED,
            batch_size=4,
            precision=precision,
            device=device,
            affine=0.0,
        )
        ours, plain = [], []
        for turn in range(3):
            _, events = tuned([subject], learn, folder / f"speed-{precision}-{turn}")
            steps = [e for e in events if isinstance(e, Step)][5:]
            ours.append(4 * (len(steps) - 1) / (steps[-1].seconds - steps[0].seconds))
            plain.append(plain_loop(subject, replace(learn, precision="fp32")))
        rates = float(np.median(ours)), float(np.median(plain))
        row(precision, *rates, rates[0] / rates[1])
    print(f"\nThis process: {psutil.Process().memory_info().rss / 2**30:.1f} GiB.")


def plain_loop(subject: Subject, learn: TrainConfig) -> float:
    """Train as a tutorial would: fp32, batches drawn in line; give samples/s."""
    job = TrainJob(
        id="plain",
        title="Plain",
        base=BASE,
        data=DataConfig(
            studies=({"subject": subject.name, **subject.files},), held_out_share=0.0
        ),
        learn=learn,
    )
    card, model = start_network(job)
    place = choose_device(learn.device)
    model = model.to(place).eval()  # as the starter's norms are trained
    train_on, *_ = gather(job, card)
    batches = Batches(learn, card, mixture_of(job, card, train_on), batch_size=4)
    adam = torch.optim.Adam(model.parameters(), lr=learn.learning_rate)
    start = 0.0
    for number in range(N_TIMED):
        if number == 6:
            start = time.perf_counter()
        batch = batches[number].to(place)
        n = torch.tensor(float(len(batch)), device=place)
        counts = Counts(n, batch.wanted.sum(), batch.given.sum())
        output = model(batch.sources)
        loss = supervised_losses(output, batch, learn, counts)["total"]
        adam.zero_grad()
        loss.backward()
        adam.step()
        loss.item()
    return 4 * (N_TIMED - 6) / (time.perf_counter() - start)


def device_name(device: str) -> str:
    place = choose_device(device)
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    return f"the CPU, {torch.get_num_threads()} threads"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="quick look")
    parser.add_argument("--only", choices=("shifted", "real", "speed"))
    options = parser.parse_args()
    learn = apply_preset(TrainConfig(device=options.device), options.preset)
    learn = replace(learn, batch_size=4)
    variable = os.environ.get("MEDSYNTH_SHARED")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "shifted"):
            shifted_scanner(learn, folder, options.device)
        if options.only in (None, "real") and variable:
            real_subjects(learn, Path(variable), folder, options.device)
        if options.only in (None, "speed"):
            speed(folder, options.device)


if __name__ == "__main__":
    main()
