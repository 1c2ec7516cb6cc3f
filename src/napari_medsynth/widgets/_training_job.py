"""The job that the dock's choices make, with its files in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .parts.cohort_box import CohortBox
from .parts.learn_box import LearnBox

if TYPE_CHECKING:
    from napari_medsynth.training import TrainJob


def make_job(cohort: CohortBox, learn: LearnBox, job_id: str, folder: Path) -> TrainJob:
    """Give the job of a new run.

    Open layers are put into its folder as files, and so is the report of the subjects,
    which need not be read again.

    Raises
    ------
    MedSynthError
        If the folder cannot be written.
    """
    from napari_medsynth.training.data.subjects import write_report
    from napari_medsynth.training.job import TrainJob

    data = cohort.data()
    layers = cohort.write_layers(folder)
    if layers:
        data = replace(data, studies=layers)
    job = TrainJob(
        id=job_id,
        title=learn.name(),
        base=learn.base(),
        targets=learn.targets(),
        data=data,
        learn=learn.config(),
    )
    if learn.card is not None:
        write_report(job, learn.card, folder, cohort.reports())
    return job
