"""CohortBox: whose scans a model learns from, and who is held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import MedSynthError
from napari_medsynth.widgets._cohort_data import (
    data_of,
    placed,
    question_of,
    studies_of,
)
from napari_medsynth.widgets._cohort_read import (
    CohortFound,
    CohortReading,
    contrasts_of,
)
from napari_medsynth.widgets._cohort_work import CohortWork
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

    ``changed`` is emitted whenever `data`, `reason`, `contrasts` or `found` may have
    changed. The card of what learns says which contrasts count: `set_card`.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._card: ModelCard | None = None
        self._work = CohortWork(viewer)
        self._problem = ""
        self._remembered: dict[str, str] = {}  # roles chosen by hand, for `_folder`
        self._found: tuple[str, ...] = ()  # contrasts in the folder
        self._pairing = "paired"
        self._connect()
        self.source.set_layers(viewer.layers)
        self._show()

    def set_card(self, card: ModelCard | None) -> None:
        """Say which model is to learn; other contrasts mean another look."""
        was, self._card = self._wanted, card
        self.has_base = card is None or card.is_trained
        self.options.set_card(card)
        if self._wanted == was:
            self._show()
            return
        good = card.outputs[0] if card and card.is_restoration else ""
        self._read_anew(lambda: self.source.set_contrasts(self._wanted[0], good=good))

    def set_pairing(self, pairing: str) -> None:
        """Say whether sources and targets are of one subject: "paired", or not."""
        if pairing != self._pairing:
            self._pairing = pairing
            self._read_anew(None)

    def data(self) -> DataConfig:
        """Give what is chosen, the usable subjects by name with their files.

        For open layers these are temporary files: see `write_layers`.
        """
        is_unread = self.source.kind == FOLDER and not self.table.rows
        folder = self.source.folder if is_unread else ""
        return data_of(self.table, self.options, folder=folder, pairing=self._pairing)

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
        return placed(studies_of(self.table), folder)

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

    def found(self) -> tuple[str, ...]:
        """Give the contrasts that there are, also those that the model does not know.

        Of a folder, once it is read for a model whose contrasts can be chosen.
        """
        if self.source.kind != LAYERS:
            return self._found
        return self.source.contrasts()

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
                question = question_of(
                    self._card,
                    self.source,
                    align=self.options.align,
                    pairing=self._pairing,
                    new_staging=self._work.new_staging,
                )
            except MedSynthError as err:
                self._problem = tell_error(err)
            else:
                self._work.reading = reading = CohortReading(question)
                reading.contrasts_found.connect(self._on_contrasts_found)
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

    def _why_not_read(self) -> str:
        if self._card is None:
            return "Choose a base model: it says which contrasts are needed."
        if self.source.kind == LAYERS:
            return self.source.why_no_subject()
        if not self.source.folder:
            return "Choose the folder of the subjects, or drop it here."
        return ""

    @property
    def _wanted(self) -> tuple[tuple[str, ...], bool]:
        """What is looked for: contrasts, and whether the first ones are made up."""
        card = self._card
        return (contrasts_of(card), card.is_restoration) if card else ((), False)

    def _read_anew(self, change: Callable[[], None] | None) -> None:
        """Drop what was read for another purpose; look again if it was looked at."""
        was_read = bool(self.table.rows) or self._work.reading is not None
        if change is not None:
            change()
        self._forget()
        if was_read and not self._why_not_read():
            self.read()

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
        self._remembered, self._found = {}, ()
        self._forget()

    def _on_align_changed(self) -> None:
        if self.table.rows:
            self.read()

    def _on_layers_event(self, event: Any) -> None:
        if event.type in _LAYER_EVENTS:
            self.source.set_layers(self._viewer.layers)
            self.changed.emit()
        elif event.type == "data" and self._is_shown(event.sources[0]):
            self._forget()

    def _is_shown(self, layer: Any) -> bool:
        """Tell whether the table shows what was read from `layer`."""
        is_of_layers = self.source.kind == LAYERS and self.table.rows
        shown = [x for one in self.source.subjects().values() for x in one.values()]
        return bool(is_of_layers) and layer in shown

    def _on_role_picked(self) -> None:
        roles = {name: row.role for name, row in self.table.rows.items()}
        self._remembered = {n: r for n, r in roles.items() if r in ROLES}
        self._show()

    def _on_contrasts_found(self, contrasts: tuple[str, ...]) -> None:
        self._found = contrasts
        self.changed.emit()  # others may be chosen now, and then it is read anew

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
