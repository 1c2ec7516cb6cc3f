"""A Fine-tune dock that trains nothing: fake subjects, a fake child process."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_medsynth.training.job import DataConfig
from napari_medsynth.widgets._process import Patience, TrainingProcess
from napari_medsynth.widgets.finetune import FinetuneWidget

FAKE = Path(__file__).with_name("fake_finetune.py")
SHORT = Patience(idle=1.2, busy=20, stopping=1.2, quitting=5)


def give_subjects(dock):
    """Let the Data step be done."""
    dock.cohort_box.reason = lambda: ""
    dock.cohort_box.data = lambda: DataConfig(simulated_share=1)
    dock.cohort_box.write_layers = lambda folder: ()
    dock.cohort_box.changed.emit()


def train_as(dock, how, *, patience=None):
    """Let the next processes do `how` of `fake_finetune`; give the list of them."""
    made = []

    def make():
        command = (sys.executable, str(FAKE), how)
        made.append(TrainingProcess(command, patience=patience or Patience()))
        return made[-1]

    dock.training._make_process = make
    return made


def finetune_dock(viewer):
    """Give a dock that could start."""
    dock = FinetuneWidget(viewer)
    dock.settle()
    give_subjects(dock)
    return dock
