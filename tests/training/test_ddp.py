"""Two CPU processes share one run (gloo): real processes, started by Fabric."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).with_name("two_processes.py")
SECONDS = 120


def environment() -> dict[str, str]:
    mine = ("RANK", "WORLD_SIZE", "MASTER_")
    kept = {k: v for k, v in os.environ.items() if not any(m in k for m in mine)}
    return {**kept, "OMP_NUM_THREADS": "1"}


def run(job: Any, folder: Path, *options: str) -> list[dict[str, Any]]:
    """Run a job with `two_processes`; give what each process ended with."""
    folder.mkdir(exist_ok=True)
    path = folder / "job.json"
    path.write_text(json.dumps(job.to_json()))
    command = [sys.executable, str(SCRIPT), str(path), str(folder), *options]
    ended = subprocess.run(
        command, env=environment(), capture_output=True, timeout=SECONDS, text=True
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    ranks = sorted(folder.glob("rank*.pt"))
    return [torch.load(rank, weights_only=True) for rank in ranks]


def is_equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(
        torch.equal(one["weights"][n], other["weights"][n]) for n in one["weights"]
    )


@pytest.fixture
def shared_job(job):
    """Two processes, dropout, a checkpoint after every step."""
    options = {**job.network.options, "dropout": 0.1}
    return replace(
        job,
        devices=2,
        network=replace(job.network, options=options),
        learn=replace(job.learn, epochs=2, checkpoint_every=1),
    )


def test_two_processes_end_with_equal_weights_and_one_of_them_tells(
    shared_job, tmp_path
):
    first, second = run(shared_job, tmp_path / "whole")

    assert first["step"] == second["step"] == 4
    assert is_equal(first, second)
    assert first["reason"] == "finished"
    assert first["n_events"] == 2 + 4 + 2  # Started, epochs 0 to 2, steps
    assert second["n_events"] == 0


@pytest.mark.slow
def test_a_stop_is_agreed_and_the_run_resumes_exactly(shared_job, tmp_path):
    whole, _ = run(shared_job, tmp_path / "whole")

    stopped = run(shared_job, tmp_path / "parts", "3")
    assert [one["step"] for one in stopped] == [3, 3]
    assert [one["reason"] for one in stopped] == ["stopped", "stopped"]

    resumed = run(shared_job, tmp_path / "parts")
    assert [one["step"] for one in resumed] == [4, 4]
    assert is_equal(resumed[0], whole)
    assert is_equal(resumed[1], whole)
