"""Speaks as ``medsynth finetune --events`` does, without training; run as a program.

``fake_finetune.py HOW JOB --output FOLDER --events ...``: what it does is HOW.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

PREVIEW = "preview.npz"
STARTED = {
    **{"n_epochs": 3, "steps_per_epoch": 3, "n_train": 2, "n_held_out": 1},
    **{"n_slices": 12, "n_parameters": 1000, "batch_size": 4},
    **{"device": "cpu", "precision": "32-true", "folder": ""},
}
ESTIMATED = {
    **{"seconds": 10.0, "seconds_per_step": 2.0, "seconds_per_epoch_end": 3.0},
    **{"n_epochs": 3, "steps_per_epoch": 3, "batch_size": 4},
}
STEP = {
    **{"learning_rate": 1e-4, "samples_per_second": 10.0},
    **{"seconds": 1.0, "eta": 2.0, "memory": 0.5},
}


class FakeRun:
    """Takes steps until it is told to stop."""

    def __init__(self, how: str, folder: Path, *, resume: bool) -> None:
        self.how, self.folder = how, folder
        self.n_steps = 2000 if how in ("long", "deaf") else 6
        self.first = 0
        if resume:
            self.first = int((folder / "checkpoint.pt").read_text(encoding="ascii"))
        self.heard, self.is_finishing = threading.Event(), False
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in sys.stdin:
            if line.strip() in ("stop", "finish"):
                self.is_finishing = line.strip() == "finish"
                break
        self.heard.set()

    def tell(self, event: str, **values) -> None:
        line = json.dumps({"event": event, **values})
        with (self.folder / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        try:
            print(line, flush=True)
        except OSError:  # nobody listens any more
            self.heard.set()

    def save(self, step: int) -> None:
        (self.folder / "checkpoint.pt").write_text(str(step), encoding="ascii")

    def run(self) -> int:
        self.tell("started", n_steps=self.n_steps, step=self.first, **STARTED)
        for step in range(self.first + 1, self.n_steps + 1):
            self.take(step)
            if self.how == "memory":
                self.tell("failed", error="One slice needs more memory than there is.")
                return 1
            if self.how == "crash" and step == 4:
                os.kill(os.getpid(), signal.SIGSEGV)
            if self.how == "exit" and step == 4:
                print("Traceback: it broke", file=sys.stderr)
                return 3
            while self.how in ("hang", "deaf") and step == 4:
                time.sleep(1)  # nobody waits for it: it is killed
            if self.heard.is_set():
                self.save(step)
                return self.end("stopped")
        return self.end("finished")

    def take(self, step: int) -> None:
        losses = {"total": 1 / step}
        self.tell("step", step=step, epoch=1 + step // 3, losses=losses, **STEP)
        if self.how == "noise":
            print("no event\n{\n[1]\n\xff", flush=True)
        if step == 2:
            self.tell("estimated", **ESTIMATED)
        if step % 3 == 0:
            self.save(step)
            preview = str(self.folder / PREVIEW)
            measured = {"train": losses, "validation": {"mae": 1 / step}}
            self.tell(
                "epoch", epoch=step // 3, is_best=True, preview=preview, **measured
            )
        time.sleep(0.01 if self.how == "long" else 0.001)

    def end(self, reason: str) -> int:
        pack = self.folder / "tuned.safetensors"
        pack.write_bytes(b"weights")
        if reason == "finished" or self.is_finishing:
            verdict = {"verdict": "better", "sentence": "It is better."}
            (self.folder / "verdict.json").write_text(json.dumps(verdict), "utf-8")
            self.tell("judged", verdict=verdict)
        self.tell("done", pack=str(pack), reason=reason, kept="")
        return 0


if __name__ == "__main__":
    how, _job, *options = sys.argv[1:]
    place = Path(options[options.index("--output") + 1])
    sys.exit(FakeRun(how, place, resume="--resume" in options).run())
