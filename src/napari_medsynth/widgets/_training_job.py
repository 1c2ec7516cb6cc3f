"""The job that the dock's choices make, with its files in place."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .parts.cohort_box import CohortBox
from .parts.learn_box import LearnBox

if TYPE_CHECKING:
    from napari_medsynth.training import DataConfig, TrainJob


def make_job(cohort: CohortBox, learn: LearnBox, job_id: str, folder: Path) -> TrainJob:
    """Give the job of a new run.

    Open layers are put into its folder as files, and so is the report of the subjects,
    which need not be read again.

    Raises
    ------
    MedSynthError
        If the folder cannot be written, or the settings do not suit the card.
    """
    from napari_medsynth.training.data.subjects import write_report

    data = cohort.data()
    layers = cohort.write_layers(folder)
    if layers:
        data = replace(data, studies=layers)
    job = (_fresh if learn.is_fresh else _tuned)(learn, job_id, data)
    if learn.card is not None:
        write_report(job, learn.card, folder, cohort.reports())
    return job


def _tuned(learn: LearnBox, job_id: str, data: DataConfig) -> TrainJob:
    """Give the job that goes on with the weights of a model."""
    from napari_medsynth.training.job import TrainJob

    return TrainJob(
        id=job_id,
        title=learn.name(),
        base=learn.base(),
        targets=learn.targets(),
        data=data,
        learn=learn.config(),
    )


def _fresh(learn: LearnBox, job_id: str, data: DataConfig) -> TrainJob:
    """Give the job that trains the network of a card from the start."""
    from napari_medsynth.training.from_card import job_from_card

    card = learn.card
    job = job_from_card(
        learn.base(),
        id=job_id,
        title=learn.name(),
        folder=data.folder,
        studies=data.studies,
        simulated_share=data.simulated_share,
        inputs=card.inputs if card else (),
        outputs=card.outputs if card else (),
        changes=asdict(learn.config()),
    )
    return replace(job, targets=learn.targets(), data=data)
