"""CohortBox: whose scans a model learns from, and who is held out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._cohort_read import (
    CohortFound,
    CohortQuestion,
    CohortReading,
    contrasts_of,
)
from napari_medsynth.widgets._cohort_work import CohortWork
from napari_medsynth.widgets._open_layers import place_files, volumes_of
from napari_medsynth.widgets._worker import tell_error

from .cohort_form import CohortForm
from .cohort_source import FOLDER, LAYERS
from .cohort_table import HELD_OUT, ROLES, TRAIN

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.training import DataConfig
    from napari_medsynth.training.data.report import SubjectReport

_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed", "metadata")


class CohortBox(CohortForm):
    """Where the scans are, what they are like, and each subject's part.

    ``changed`` is emitted whenever `data`, `reason` or `contrasts` may have changed.
    The base model's card says which contrasts count: `set_card`.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._card: ModelCard | None = None
        self._work = CohortWork(viewer)
        self._problem = ""
        self._remembered: dict[str, str] = {}  # roles chosen by hand, for `_folder`
        self._connect()
        self.source.slots.set_layers(viewer.layers)
        self._show()

    def set_card(self, card: ModelCard | None) -> None:
        """Say which model is to learn; other contrasts mean another look."""
        was = contrasts_of(self._card) if self._card else ()
        self._card = card
        self.options.set_card(card)
        contrasts = contrasts_of(card) if card else ()
        if contrasts == was:
            return
        was_read = bool(self.table.rows)
        self.source.slots.set_contrasts(contrasts)
        self._forget()
        if was_read and not self._why_not_read():
            self.read()

    def data(self) -> DataConfig:
        """Give what is chosen, the usable subjects by name with their files.

        For open layers these are temporary files: see `write_layers`.
        """
        from napari_medsynth.training.job import DataConfig

        held_out = tuple(self.table.names(HELD_OUT))
        is_nobody = bool(self.table.rows) and not held_out
        planes: Any = self.options.planes
        align: Any = self.options.align
        is_unread = self.source.kind == FOLDER and not self.table.rows
        return DataConfig(
            folder=self.source.folder if is_unread else "",
            studies=self._studies(),
            held_out=held_out,
            held_out_share=0.0 if is_nobody else DataConfig.held_out_share,
            align=align,
            planes=planes,
            simulated_share=self.options.simulated_share,
        )

    def write_layers(self, folder: Path) -> tuple[Mapping[str, str], ...]:
        """Have the open layers as files in `folder`; give the studies of the job.

        () if the subjects come from a folder: then those of `data` hold.

        Raises
        ------
        VolumeError
            If `folder` cannot be written.
        """
        if self.source.kind != LAYERS:
            return ()
        return tuple(
            {"subject": study["subject"], **place_files(_files(study), folder)}
            for study in self._studies()
        )

    def reports(self) -> tuple[SubjectReport, ...]:
        """Give what was found of the subjects that `data` names."""
        rows = (self.table.rows[name] for name in self.table.names(TRAIN, HELD_OUT))
        return tuple(row.report for row in rows if row.report is not None)

    def contrasts(self) -> tuple[str, ...]:
        """Give the contrasts of the subjects to train on; () before they are read."""
        reports = [self.table.rows[name].report for name in self.table.names(TRAIN)]
        found = {c for report in reports if report for c in report.contrasts}
        known = contrasts_of(self._card) if self._card else ()
        return tuple(contrast for contrast in known if contrast in found)

    def reason(self) -> str:
        """Say why nothing can be learnt from this; "" if it can."""
        if why := self._why_not_read() or self._problem:
            return why
        if self._work.reading is not None:
            return "The subjects are still being read."
        if not self.table.rows:
            return "Press Read to look at the subjects first."
        if not self.table.names(TRAIN):
            return f"Nobody is left to train on: set a subject to “{TRAIN}”."
        if not self.options.planes:
            return "Choose at least one plane to learn from."
        return ""

    def read(self) -> None:
        """Look at the subjects again, or say why that is impossible."""
        self._forget()
        self._problem = self._why_not_read()
        if not self._problem and self._card is not None:
            try:
                reading = CohortReading(self._question(self._card))
            except MedSynthError as err:
                self._problem = tell_error(err)
            else:
                self._work.reading = reading
                reading.found.connect(self._on_found)
                reading.subject_read.connect(self._on_subject_read)
                reading.split.connect(self._on_split)
                reading.ended.connect(self._on_ended)
                reading.start()
        self._show()

    def to_json(self) -> dict[str, Any]:
        """Give what is worth remembering until the next session."""
        return {
            "source": self.source.kind,
            "folder": self.source.folder,
            "roles": self._remembered,
            **self.options.to_json(),
        }

    def set_from_json(self, values: Mapping[str, Any]) -> None:
        """Choose remembered values, reading nothing; what is damaged changes nothing.

        Roles are those of the remembered folder; they come back when it is read.
        """
        self.options.set_from_json(values)
        folder, roles = values.get("folder"), values.get("roles")
        kind = str(values.get("source", FOLDER))
        self.source.choose(kind, folder if isinstance(folder, str) else None)
        if isinstance(roles, dict) and all(role in ROLES for role in roles.values()):
            self._remembered = {str(name): str(role) for name, role in roles.items()}

    def _connect(self) -> None:
        self.source.changed.connect(self._on_source_changed)
        self.source.chosen.connect(self.read)
        self.read_button.clicked.connect(self._on_read_clicked)
        self.table.role_picked.connect(self._on_role_picked)
        self.options.changed.connect(self._show)
        self.options.align_changed.connect(self._on_align_changed)
        self._work.follow(self._on_layers_event)
        self.destroyed.connect(partial(CohortWork.close, self._work))
        if (application := QApplication.instance()) is not None:
            application.aboutToQuit.connect(self._work.close)

    def _question(self, card: ModelCard) -> CohortQuestion:
        from napari_medsynth.training.job import DataConfig

        align: Any = self.options.align
        if self.source.kind == LAYERS:
            volumes = volumes_of(self.source.slots.layers())
            staging = self._work.new_staging()
            return CohortQuestion(DataConfig(align=align), card, volumes, staging)
        return CohortQuestion(DataConfig(folder=self.source.folder, align=align), card)

    def _why_not_read(self) -> str:
        if self._card is None:
            return "Choose a base model: it says which contrasts are needed."
        if self.source.kind == LAYERS:
            if len(self.source.slots.layers()) < 2:
                return "Open the scans of one subject, at least two contrasts."
        elif not self.source.folder:
            return "Choose the folder of the subjects, or drop it here."
        return ""

    def _studies(self) -> tuple[dict[str, str], ...]:
        """Give name and files of each subject that is used."""
        studies = []
        for name in self.table.names(TRAIN, HELD_OUT):
            row = self.table.rows[name]
            readable = row.report.contrasts if row.report else row.subject.files
            files = {c: f for c, f in row.subject.files.items() if c in readable}
            person = row.subject.person
            who = {"person": person} if person not in ("", name) else {}
            studies.append({"subject": name, **who, **files})
        return tuple(studies)

    def _forget(self) -> None:
        """Drop what was read, or is being read."""
        self._work.abandon()
        self._problem = ""
        self.table.set_subjects((), ())
        self.bar.setRange(0, 0)
        self._show()

    def _on_read_clicked(self) -> None:
        (self.read if self._work.reading is None else self._forget)()

    def _on_source_changed(self) -> None:
        self._remembered = {}
        self._forget()

    def _on_align_changed(self) -> None:
        if self.table.rows:
            self.read()

    def _on_layers_event(self, event: Any) -> None:
        if event.type in _LAYER_EVENTS:
            self.source.slots.set_layers(self._viewer.layers)
        elif event.type == "data" and self._is_shown(event.sources[0]):
            self._forget()

    def _is_shown(self, layer: Any) -> bool:
        """Tell whether the table shows what was read from `layer`."""
        is_of_layers = self.source.kind == LAYERS and self.table.rows
        return bool(is_of_layers) and layer in self.source.slots.layers().values()

    def _on_role_picked(self) -> None:
        roles = {name: row.role for name, row in self.table.rows.items()}
        self._remembered = {n: r for n, r in roles.items() if r in ROLES}
        self._show()

    def _on_found(self, found: CohortFound) -> None:
        self.table.set_subjects(found.subjects, found.held_out)
        self.table.set_roles(self._remembered)
        self.bar.setRange(0, len(found.subjects))
        self.bar.setValue(0)
        self._show()

    def _on_subject_read(self, report: SubjectReport) -> None:
        self.table.show_report(report)
        self.bar.setValue(self.bar.value() + 1)

    def _on_split(self, held_out: frozenset[str]) -> None:
        """Hold out others if those found first cannot be used; not against a choice."""
        if not self._remembered:
            names = self.table.names(TRAIN, HELD_OUT)
            self.table.set_roles(
                {name: HELD_OUT if name in held_out else TRAIN for name in names}
            )

    def _on_ended(self, problem: str) -> None:
        self._work.reading = None
        self._problem = problem
        self._show()

    def _show(self) -> None:
        """Show the state of things, and say that they changed."""
        self.show_state(
            is_reading=self._work.reading is not None,
            why_not_read=self._why_not_read(),
            problem=self._problem,
        )
        self.changed.emit()


def _files(study: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in study.items() if key != "subject"}
