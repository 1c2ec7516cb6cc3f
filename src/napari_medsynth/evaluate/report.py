"""The numbers as a CSV table, and all of it as one self-contained HTML page."""

from __future__ import annotations

import base64
import csv
import io
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medsynth.errors import VolumeError

from .metric_names import METRICS, best_of, format_value

if TYPE_CHECKING:
    from .declaration import Declaration
    from .measuring import Measured
    from .pictures import Picture

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def write_csv(
    path: Path | str, rows: Iterable[Measured], declaration: Declaration
) -> Path:
    """Write one line per model and region, the declaration in every line.

    Parameters
    ----------
    path : Path or str
        Replaced if it is there.
    rows : iterable of Measured
    declaration : Declaration

    Returns
    -------
    Path

    Raises
    ------
    VolumeError
        If it cannot be written.

    Notes
    -----
    Full precision; a missing number is empty and its reason in ``remarks``. A name that
    a spreadsheet would take for a formula is given a leading apostrophe.
    """
    text = io.StringIO()
    scaling = declaration.to_json()
    versions = scaling.pop("versions")
    extra = {"error_unit": declaration.unit, "scaling": scaling.pop("kind"), **scaling}
    extra |= versions
    fields = ["model", "region", "voxels", *METRICS, *extra, "remarks"]
    table = csv.DictWriter(text, fields, lineterminator="\n", restval="")
    table.writeheader()
    for row in rows:
        names = {"model": _plain(row.model), "region": _plain(row.region)}
        remarks = " ".join((*row.notes, *dict.fromkeys(row.reasons.values())))
        known = {"voxels": row.n_voxels, "remarks": remarks}
        table.writerow({**names, **known, **row.values, **extra})
    return _write(Path(path), text.getvalue())


def write_report(
    path: Path | str,
    *,
    title: str,
    rows: Sequence[Measured],
    declaration: Declaration,
    pictures: Sequence[Picture] = (),
    settings: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write one HTML page that needs nothing else: no script, no link, no other file.

    Parameters
    ----------
    path : Path or str
        Replaced if it is there.
    title : str
    rows : sequence of Measured
        Grouped by region; the best of several models is bold.
    declaration : Declaration
        Stands under the table.
    pictures : sequence of Picture
    settings, provenance : mapping, optional
        Name to JSON value; a mapping inside is shown as indented JSON.

    Returns
    -------
    Path

    Raises
    ------
    VolumeError
        If it cannot be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE.name).render(
        title=title,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        metrics=METRICS.values(),
        groups=_groups(rows),
        remarks=remarks_of(rows),
        declaration=declaration.sentence,
        pictures=[
            (picture.caption, base64.b64encode(picture.png).decode())
            for picture in pictures
        ],
        tables={
            "Settings": _shown(settings or {}),
            "Provenance": _shown(provenance or {}),
        },
    )
    return _write(Path(path), page)


def _groups(rows: Sequence[Measured]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows by region; each cell is its text and whether it is the best."""
    groups = []
    for region in dict.fromkeys(row.region for row in rows):
        here = [row for row in rows if row.region == region]
        best = {
            name: best_of(
                name,
                {
                    str(i): r.values[name]
                    for i, r in enumerate(here)
                    if name in r.values
                },
            )
            for name in METRICS
        }
        lines = [
            {
                "model": row.model,
                "n_voxels": row.n_voxels,
                "cells": [
                    (format_value(name, row.values.get(name)), best[name] == str(i))
                    for name in METRICS
                ],
            }
            for i, row in enumerate(here)
        ]
        groups.append((region, lines))
    return groups


def remarks_of(rows: Sequence[Measured]) -> list[str]:
    """Say what was done to the images, and why numbers are missing; each once."""
    regions: dict[str, dict[str, None]] = {}
    for row in rows:
        for reason in row.reasons.values():
            regions.setdefault(reason, {})[row.region] = None
    notes = dict.fromkeys(note for row in rows for note in row.notes)
    return [*notes, *(f"{', '.join(names)}: {why}" for why, names in regions.items())]


def _shown(values: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, text, and whether the text is indented JSON."""
    return [
        (str(key), _text(value), isinstance(value, Mapping | list | tuple))
        for key, value in values.items()
    ]


def _text(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return str(value)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write(path: Path, text: str) -> Path:
    """Replace a file as a whole, or leave it as it was."""
    draft = path.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8", newline="")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as err:
        raise VolumeError(
            f"{path} cannot be written: {err.strerror}; choose another place."
        ) from err
    return path
