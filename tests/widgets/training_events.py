"""Made-up events of a training run, as ``medsynth finetune --events`` prints them."""

from __future__ import annotations

import numpy as np


def started(**changes):
    return {
        "event": "started",
        "n_steps": 40,
        "n_epochs": 4,
        "steps_per_epoch": 10,
        "step": 0,
        "n_train": 3,
        "n_held_out": 1,
        "n_slices": 20,
        "n_parameters": 12345,
        "batch_size": 2,
        "device": "cpu",
        "precision": "32-true",
        "folder": "run",
        **changes,
    }


def step(number, **changes):
    return {
        "event": "step",
        "step": number,
        "epoch": (number - 1) // 10 + 1,
        "losses": {"l1": 1 / number, "total": 2 / number},
        "learning_rate": 2e-4,
        "samples_per_second": 12.5,
        "seconds": float(number),
        "eta": 125.0,
        "memory": 1.5,
        **changes,
    }


def epoch(number, **changes):
    return {
        "event": "epoch",
        "epoch": number,
        "train": {"total": 0.5, "l1": 0.25} if number else {},
        "validation": {"mae": 0.1 / (number + 1), "psnr": 20.0 + number},
        "is_best": True,
        "preview": "",
        **changes,
    }


def write_preview(path, *, now=0.75, shape=(12, 16), **changes):
    """Write the four images, each of one grey level."""
    levels = {"source": 0.1, "truth": 1.0, "before": 0.5, "now": now}
    arrays = {role: np.full(shape, x, np.float32) for role, x in levels.items()}
    arrays |= {"target": np.array("T2"), "subject": np.array("sub-01")}
    np.savez(path, **(arrays | changes))
    return path


def verdict(word="better", **changes):
    def interval(mean, low, high):
        return {"mean": mean, "low": low, "high": high, "n": 4, "of": "subjects"}

    def row(subject, available, base, tuned):
        return {
            "subject": subject,
            "available": available,
            "target": "T2",
            "n_slices": 8,
            **{f"base_{m}": base for m in ("psnr", "ssim", "mae")},
            **dict.fromkeys(("psnr", "ssim", "mae"), tuned),
        }

    return {
        "verdict": word,
        "sentence": f"{word.capitalize()} in some way.",
        "is_weak": False,
        "warnings": [],
        "notes": [],
        "differences": {
            "psnr": interval(1.5, 0.5, 2.5),
            "mae": interval(-0.01, -0.02, -0.005),
        },
        "rows": [
            row("a", "T1", 20.0, 22.0),
            row("b", "T1", 22.0, 23.0),
            row("a", "T1+PD", 25.0, 24.0),
        ],
        "has_forgotten": False,
        "forgetting": {"psnr": interval(-0.25, None, None)},
        "forgetting_rows": [row("sample", "T1", 30.0, 29.75)],
        **changes,
    }
