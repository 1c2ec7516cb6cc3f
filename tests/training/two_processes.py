"""Run a job in as many processes as it says; each writes the weights it ends with.

python two_processes.py JOB.json FOLDER [stop after step]
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from napari_medsynth.training import loop, read_job

runs: list[loop.Run] = []


class Remembered(loop.Run):
    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        runs.append(self)


def main() -> None:
    job, folder = read_job(sys.argv[1]), Path(sys.argv[2])
    stop_after = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    loop.Run = Remembered
    steps = loop.train(job, folder=folder, resume=True)
    n_events, command = 0, None
    while True:
        try:
            event = steps.send(command)
        except StopIteration as finished:
            done = finished.value
            break
        n_events += 1
        command = "stop" if stop_after and runs[0].step >= stop_after else None
        print(type(event).__name__, getattr(event, "losses", ""), flush=True)
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    state = {
        "weights": runs[0].learner.model.state_dict(),
        "step": runs[0].step,
        "epoch": runs[0].epoch,
        "reason": done.reason,
        "n_events": n_events,
    }
    torch.save(state, folder / f"rank{rank}.pt")


if __name__ == "__main__":
    main()
