"""What the Data part shows, as plain data: for a look at the subjects, and a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._cohort_read import CohortQuestion
from ._open_layers import place_files, volumes_of
from .parts.cohort_source import LAYERS, CohortSource
from .parts.cohort_table import HELD_OUT, TRAIN, CohortTable
from .parts.contrast_combos import takes_any_contrast

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.training import DataConfig

    from .parts.cohort_options import CohortOptions

Study = dict[str, str]
_WHO = ("subject", "person")


def data_of(
    table: CohortTable, options: CohortOptions, *, folder: str, pairing: str
) -> DataConfig:
    """Give the data of a job: subjects by name with their files, and who is held out.

    `folder` is that of subjects that were not read yet, "" for none.
    """
    from napari_medsynth.training.job import DataConfig

    held_out = tuple(table.names(HELD_OUT))
    is_nobody = bool(table.rows) and not held_out
    planes: Any = options.planes
    align: Any = options.align
    is_paired: Any = pairing
    return DataConfig(
        folder=folder,
        studies=studies_of(table),
        held_out=held_out,
        held_out_share=0.0 if is_nobody else DataConfig.held_out_share,
        align=align,
        pairing=is_paired,
        planes=planes,
        simulated_share=options.simulated_share,
    )


def question_of(
    card: ModelCard,
    source: CohortSource,
    *,
    align: str,
    pairing: str,
    new_staging: Callable[[], Path],
) -> CohortQuestion:
    """Give what to look at, with the open layers as volumes; in the GUI thread.

    Raises
    ------
    VolumeError
        If a layer is no grey image along the axes.
    """
    from napari_medsynth.training.job import DataConfig

    how: dict[str, Any] = {"align": align, "pairing": pairing}
    data = DataConfig(**how)
    if source.kind == LAYERS:
        subjects = source.subjects().items()
        volumes = {name: volumes_of(layers) for name, layers in subjects}
        return CohortQuestion(data, card, volumes, new_staging())
    asks = takes_any_contrast(card)
    return CohortQuestion(
        replace(data, folder=source.folder), card, asks_contrasts=asks
    )


def studies_of(table: CohortTable) -> tuple[Study, ...]:
    """Give name and readable files of each subject that is used."""
    studies = []
    for name in table.names(TRAIN, HELD_OUT):
        row = table.rows[name]
        readable = row.report.contrasts if row.report else row.subject.files
        files = {c: f for c, f in row.subject.files.items() if c in readable}
        person = row.subject.person
        who = {"person": person} if person not in ("", name) else {}
        studies.append({"subject": name, **who, **files})
    return tuple(studies)


def placed(studies: Sequence[Study], folder: Path) -> tuple[Study, ...]:
    """Have the files of studies in `folder` too, those of several in folders of it.

    Raises
    ------
    VolumeError
        If `folder` cannot be written.
    """
    return tuple(
        _who(study)
        | place_files(
            {key: name for key, name in study.items() if key not in _WHO},
            folder if len(studies) == 1 else folder / f"subject-{number}",
        )
        for number, study in enumerate(studies, start=1)
    )


def _who(study: Mapping[str, str]) -> Study:
    return {key: study[key] for key in _WHO if key in study}
