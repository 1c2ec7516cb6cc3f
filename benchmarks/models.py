"""Compare every family of the catalogue: quality, parameters, FLOPs, speed and memory.

    make bench-models                     # short: minutes on a CPU; writes the page too
    python benchmarks/models.py --budget long --write                # hours, for a GPU
    python benchmarks/models.py --only rcan-x2 srcnn

**Fair** is: the same images, in the same order, and the same arithmetic. Each network
of a table may spend so many FLOPs on learning, forwards and backwards, those of its
critics and second generators too; how many steps that makes is counted on its first
step. Unlike equal steps this does not favour what is large and slow, and unlike equal
time it does not depend on the machine, so that a row can be had again. All learn by the
objective, the weights of losses and the betas of Adam of their published recipes, but
at one learning rate that falls by a cosine: published rates are for a thousand times
more steps. A recipe whose VGG features need weights that are not there goes without,
and its row says so.

A network for whose published size fewer than MIN_STEPS steps can be paid learns with
half as many channels, or a quarter, ..., the most for which they can; "learnt as" says
so, and then quality is that of the narrow network; one whose critic needs nearly all of
the arithmetic is not narrowed, and takes the steps that it can pay. Parameters, FLOPs,
speed and memory are always those of the published size. A short budget shows what
learns fast, not what is best in the end.

All learn from simulated heads (``simulate``) and are judged on others, in the
foreground. Translation: T1 to T2 as scanned, whole slices one by one. Super-resolution:
noiseless T1 and T2, k-space cropped to a half and 1 % noise, beside bicubic. Denoising:
the same with 5 % Rician noise, beside the non-local means of scikit-image, whose
settings are chosen on a training head. CT cannot be simulated from these heads: the
networks for low-dose CT learn this MR noise like all.

Parameters to memory are of one image of 256 x 256 pixels (of the finer grid), eager, in
float32, in a process of its own; speed is beside a reference network that runs in turn
with it. ``--write`` puts the tables into ``benchmarks/models.json``, in which rows of
models that did not run stay.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from _contenders import TASKS, TRANSLATION, Contender, Task, contenders, halved, size_of
from _model_costs import REFERENCE, StepFlops, costs
from _trials import Trial
from napari_medsynth.catalogue.registry import build_model
from napari_medsynth.engine import choose_device
from napari_medsynth.errors import EngineError
from napari_medsynth.models.blocks import set_norm_statistics
from napari_medsynth.training.data.batches import Batches
from napari_medsynth.training.data.gather import batches_of, gather, mixture_of
from napari_medsynth.training.device import lone_fabric, n_drawers
from napari_medsynth.training.job import TrainJob, job_from_json
from napari_medsynth.training.learner import Learner, learning_rate
from napari_medsynth.training.loop import prefetched

TABLES = Path(__file__).with_name("models.json")
SIDE = 256  # [pixel] of the image that costs are measured on
LEARNING_RATE = 5e-4
MIN_STEPS = 60
MOST = 0.9  # of the FLOPs of a step that one with half the channels may still need
COLUMNS = (
    "model",
    "learnt as",
    "objective",
    "budget",
    "steps",
    "PSNR [dB]",
    "SSIM",
    "parameters",
    "GFLOP",
    f"time, {REFERENCE} = 1",
    "ms",
    "memory [MiB]",
    "note",
)

Row = dict[str, object]
Tables = dict[str, list[Row]]


@dataclass(frozen=True)
class Budget:
    """What each network may spend.

    Parameters
    ----------
    translation, restoration : float
        FLOPs of all steps, by task.
    max_steps : int
        Nobody learns longer: small networks wait for images.
    n_subjects, n_held_out, n_slices : int
        See `Trial`.
    """

    translation: float
    restoration: float
    max_steps: int
    n_subjects: int
    n_held_out: int
    n_slices: int

    def flops(self, task: Task) -> float:
        return self.translation if task is TRANSLATION else self.restoration


BUDGETS = {
    "short": Budget(4e12, 3e12, 2_000, 4, 2, 4),
    "long": Budget(2e15, 2e15, 20_000, 24, 4, 24),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write them if asked."""
    everyone = contenders()
    options = _parser(list(everyone)).parse_args(arguments)
    device = str(choose_device(options.device))
    if options.costs:
        card = everyone[options.costs].card
        print(json.dumps(costs(card, side=SIDE, device=device)))
        return
    chosen = [everyone[name] for name in options.only or everyone]
    with tempfile.TemporaryDirectory() as spare:
        folder = options.data or Path(spare)
        for task in TASKS:
            rivals = [one for one in chosen if one.task is task]
            if not rivals:
                continue
            rows = []
            for row in compared(task, rivals, folder, options.budget, device):
                print(f"{row['model']}: {row['PSNR [dB]']} dB", flush=True)
                rows.append(row)
                if options.write:
                    write(options.table, {task.title: rows}, options.budget, device)
            print(f"\n{task.title}\n")
            print_table(rows)


def _parser(ids: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budget", choices=list(BUDGETS), default="short")
    parser.add_argument("--only", nargs="+", choices=ids, metavar="ID", default=[])
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--data", type=Path, default=None, help="keep the simulated heads there"
    )
    parser.add_argument("--write", action="store_true", help="put rows into the table")
    parser.add_argument("--table", type=Path, default=TABLES, help="default: our own")
    parser.add_argument("--costs", choices=ids, default="", help=argparse.SUPPRESS)
    return parser


def compared(
    task: Task, rivals: Sequence[Contender], folder: Path, budget: str, device: str
) -> Iterator[Row]:
    """Give the row of each method of a table, those without networks first."""
    spent = BUDGETS[budget]
    trial = Trial(task, folder, spent.n_subjects, spent.n_held_out, spent.n_slices)
    for name, scores in trial.baselines():
        yield _row(name, budget=budget, **_rounded(scores))
    for rival in rivals:
        yield measured(rival, trial, budget, device)


def measured(rival: Contender, trial: Trial, budget: str, device: str) -> Row:
    """Let one network learn, judge it, and weigh it."""
    notes = list(rival.notes)
    found: dict[str, object] = {}
    learnt = _Learning(rival, trial, BUDGETS[budget], device)
    try:
        model = learnt.run()
        found = _rounded(trial.quality(learnt.card, model))
    except EngineError as err:  # a loss that is not finite is a result too
        notes.append(f"failed: {err}")
    cost = _costs_elsewhere(rival.card.id, device)
    return _row(
        rival.card.id,
        budget=budget,
        steps=learnt.n_steps,
        objective=learnt.job.learn.objective,
        **{
            "learnt as": size_of(learnt.card, rival.card),
            **found,
            "parameters": _millions(cost["parameters"]),
            "GFLOP": _digits(cost["gflop"]),
            COLUMNS[9]: _digits(cost["ratio"]),
            "ms": _digits(cost["ms"]),
            "memory [MiB]": _digits(cost["mib"]),
            "note": "; ".join(notes),
        },
    )


class _Learning:
    """One network that learns within a budget, narrower than published if need be."""

    def __init__(
        self, rival: Contender, trial: Trial, budget: Budget, device: str
    ) -> None:
        self._rival, self._budget, self._device = rival, budget, device
        self._studies = trial.studies()
        self.card = rival.card
        self.job = self._job(MIN_STEPS)
        flops = self._flops_of_a_step()
        allowed = budget.flops(rival.task)
        while budget.max_steps >= MIN_STEPS and allowed // flops < MIN_STEPS:
            wider, before = self.card, flops
            self.card = halved(wider)
            flops = self._flops_of_a_step()
            if flops > MOST * before:  # what costs is the critic: it learns less long
                self.card, flops = wider, before
                break
        self.n_steps = int(max(1, min(allowed // flops, budget.max_steps)))
        self.job = self._job(self.n_steps)

    def run(self) -> nn.Module:
        """Learn, and give the network in evaluation mode.

        Raises
        ------
        EngineError
            If a loss is not finite.
        """
        fabric, learner, batches = self._start()
        start, n_threads = time.process_time(), n_drawers(fabric.device)
        with closing(prefetched(batches, range(self.n_steps), n_threads)) as drawn:
            for step, batch in enumerate(drawn):
                learner.update(batch, self._rate(step))
        spent = time.process_time() - start
        print(f"{self.card.id}: {self.n_steps} steps, {spent:.0f} s of processor time")
        return learner.mean.eval()

    def _start(self) -> tuple[Fabric, Learner, Batches]:
        job, card = self.job, self.card
        fabric = lone_fabric(job)
        torch.manual_seed(job.learn.seed)
        model = build_model(card)
        set_norm_statistics(model, card.norm_statistics)
        train_on, *_ = gather(job, card)
        learner = Learner(job.learn, card, model, fabric)
        batches = batches_of(
            job,
            card,
            mixture_of(job, card, train_on),
            batch_size=job.learn.batch_size,
            is_one_mask=learner.is_one_mask,
        )
        return fabric, learner, batches

    def _flops_of_a_step(self) -> int:
        _, learner, batches = self._start()
        with StepFlops() as counter:
            learner.update(batches[0], self._rate(0))
        return counter.total

    def _rate(self, step: int) -> float:
        n = self.job.learn.steps_per_epoch
        return learning_rate(step, self.job.learn, n_steps=n, steps_per_epoch=n)

    def _job(self, n_steps: int) -> TrainJob:
        card, task, recipe = self.card, self._rival.task, self._rival.recipe
        # The critic of SRGAN judges 96 pixels only: as many pixels as the others'.
        is_srgan = recipe.get("critic") == "srgan"
        batch_size, patch = (1, 96) if is_srgan else (task.batch_size, task.patch)
        learn = {
            **recipe,
            "epochs": 1,
            "steps_per_epoch": n_steps,
            "batch_size": batch_size,
            "patch_size": patch,
            "learning_rate": LEARNING_RATE,
            "schedule": "cosine",
            "warmup_steps": 10,
            "ema": 0.0,
            "affine": 0.0,
            "intensity": 0.0,
            "freeze_norm": False,
            "precision": "fp32",
            "device": self._device,
        }
        is_cycle = learn.get("objective") == "cycle"
        data = {
            "studies": self._studies,
            "held_out_share": 0.0,
            "pairing": "unpaired" if is_cycle else "paired",
        }
        values = {
            "id": card.id,
            "title": card.title,
            "network": {"card": card.id},
            "data": data,
            "learn": learn,
        }
        return job_from_json(values, where=f"Comparing {card.id}")


def _costs_elsewhere(name: str, device: str) -> dict[str, float]:
    """Weigh a network in a process of its own, whose memory nothing else has used."""
    command = [sys.executable, __file__, "--costs", name, "--device", device]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def _row(model: str, **found: object) -> Row:
    return {column: {"model": model, **found}.get(column, "") for column in COLUMNS}


def _rounded(scores: Mapping[str, float]) -> dict[str, object]:
    return {"PSNR [dB]": round(scores["psnr"], 2), "SSIM": round(scores["ssim"], 4)}


def _digits(value: float) -> float:
    """Round to three digits; whole numbers where that leaves no others."""
    rounded = float(f"{value:.3g}")
    return int(rounded) if rounded >= 100 else rounded


def _millions(n: float) -> str:
    return f"{n / 1e6:.1f} M" if n >= 1e6 else f"{n / 1e3:.0f} k"


def print_table(rows: Sequence[Row]) -> None:
    print("| " + " | ".join(COLUMNS) + " |")
    print("| --- " * len(COLUMNS) + "|")
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in COLUMNS) + " |")
    print()


def write(path: Path, found: Tables, budget: str, device: str) -> None:
    """Put rows into the file; those of other models and budgets stay."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    tables = {**known.get("tables", {})}
    for title, rows in found.items():
        tables[title] = merged(tables.get(title, []), rows)
    order = [task.title for task in TASKS]
    tables = {title: tables[title] for title in sorted(tables, key=order.index)}
    runs = dict(known.get("runs", {}))
    runs[budget] = sorted({*runs.get(budget, ()), machine(device)})
    content = {"about": about(runs), "runs": runs, "tables": tables}
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps(content, indent=1, ensure_ascii=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def merged(known: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Replace the rows of the same model and budget; networks follow baselines."""
    rows = {(row["model"], row["budget"]): row for row in known}
    rows |= {(row["model"], row["budget"]): row for row in new}
    place = {name: number for number, name in enumerate(contenders())}
    return sorted(rows.values(), key=lambda row: place.get(row["model"], -1))


def about(runs: Mapping[str, Sequence[str]]) -> str:
    """Say how the tables were made."""
    parts = [
        "What `make bench-models` printed (`benchmarks/models.py`): every family "
        "learns from the same simulated heads with the same arithmetic, its critics' "
        "included, and is judged on others, in the foreground. A network too large "
        f"for {MIN_STEPS} steps learns with fewer channels (*learnt as*); parameters, "
        "FLOPs, speed and memory are of the published size, for one image of "
        f"{SIDE} x {SIDE}, in float32; ms are of processor time on a CPU. The "
        "*objective* is that of the published recipe, whose losses are kept, at a "
        f"learning rate of {LEARNING_RATE:g} for all. A short budget tells what learns "
        "fast, not what is best after a published training.",
        "Super-resolution is of T1 and T2, k-space cropped to a half, with 1 % noise; "
        "denoising of T1 and T2 with 5 % Rician noise, since CT cannot be simulated "
        "from these heads.",
    ]
    for name, budget in BUDGETS.items():
        if name in runs:
            parts.append(
                f"Budget **{name}**: {budget.translation / 1e12:g} TFLOP for a "
                f"translation, {budget.restoration / 1e12:g} for the others, at most "
                f"{budget.max_steps} steps, {budget.n_subjects} heads; measured on "
                f"{' and '.join(runs[name])}."
            )
    return " ".join(parts)


def machine(device: str) -> str:
    """Say where this ran."""
    place = torch.device(device)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else _processor()
    threads = "" if place.type == "cuda" else f", {torch.get_num_threads()} thread(s)"
    return f"{name}{threads}, torch {torch.__version__}, {date.today()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
