"""What was measured at this site, by model: kept in the user's folder. No torch.

Nothing here names a patient: subjects are fingerprints of their voxels.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from napari_medsynth.catalogue import ModelCard, user_folder
from napari_medsynth.catalogue.pack import replacing
from napari_medsynth.errors import CardError

_SELF_TEST = "self_test"


@dataclass(frozen=True)
class Row:
    """One contrast of one subject, hidden and made again of others.

    Parameters
    ----------
    subject : str
        Fingerprint of the subject's voxels.
    sources : tuple of str
        What the model was shown, in the card's order.
    target : str
        What was hidden.
    psnr, ssim, mae : float
        See `engine.metrics.compare`; PSNR in dB, at most 100.
    plane : str
        How slices were cut.
    n_slices : int
        How many were made and compared.
    """

    subject: str
    sources: tuple[str, ...]
    target: str
    psnr: float
    ssim: float
    mae: float
    plane: str = "axial"
    n_slices: int = 0

    @property
    def what(self) -> tuple[str, tuple[str, ...], str, str]:
        """What was measured, whatever came out."""
        return self.subject, self.sources, self.target, self.plane


@dataclass(frozen=True)
class SelfTest:
    """How well a model makes contrasts that this site has, and so can check.

    Parameters
    ----------
    model, sha256 : str
        Id of the card; of its weights.
    date : str
        Day of the last measurement, "2026-11-20".
    rows : tuple of Row
    problems : tuple of str
        One sentence per subject that could not be used; not kept.
    """

    model: str
    sha256: str
    date: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()

    @property
    def n_subjects(self) -> int:
        return len({row.subject for row in self.rows})

    def of(self, sources: Collection[str], target: str) -> tuple[Row, ...]:
        """Give the rows of one target made of exactly these sources."""
        return tuple(
            row
            for row in self.rows
            if row.target == target and set(row.sources) == set(sources)
        )

    def added(self, newer: SelfTest) -> SelfTest:
        """Give both; where both measured the same, `newer` counts."""
        rows = {row.what: row for row in (*self.rows, *newer.rows)}
        return replace(newer, rows=tuple(rows.values()))

    def to_json(self) -> dict[str, Any]:
        """Give what is kept, without the problems, as JSON values."""
        rows = [asdict(row) | {"sources": list(row.sources)} for row in self.rows]
        facts = {"model": self.model, "sha256": self.sha256, "date": self.date}
        return {**facts, "rows": rows}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SelfTest:
        """Make a self-test from `to_json`'s values.

        Raises
        ------
        CardError
            If they are damaged.
        """
        try:
            rows = [
                Row(**{**r, "sources": tuple(r["sources"])}) for r in values["rows"]
            ]
            return cls(values["model"], values["sha256"], values["date"], tuple(rows))
        except (KeyError, TypeError) as err:
            raise CardError(f"A self-test is damaged ({err}): repeat it.") from err


@dataclass(frozen=True)
class Expected:
    """What a synthesis may be expected to be worth here.

    Parameters
    ----------
    psnr, ssim, mae : float
        Means over the subjects.
    spread : float or None
        Standard deviation of the PSNR between subjects [dB]; None for one subject.
    n_subjects : int
    basis : str
        One sentence: where, when and on how many subjects it was measured.
    """

    psnr: float
    ssim: float
    mae: float
    spread: float | None
    n_subjects: int
    basis: str


def site_file(card: ModelCard) -> Path:
    """Give the file of what was measured here with a model; it may not exist yet.

    Raises
    ------
    CardError
        If the card has no weights.
    """
    if not card.sha256:
        raise CardError(
            f"{card.title} has no weights that could be told from others: what is "
            "measured with it cannot be kept."
        )
    return user_folder() / "site" / f"{card.sha256}.json"


def load_record(card: ModelCard, name: str) -> dict[str, Any] | None:
    """Give what was kept under a name for a model, or None.

    Raises
    ------
    CardError
        If the file is damaged.
    """
    found = _read(site_file(card)).get(name) if card.sha256 else None
    return found if isinstance(found, dict) else None


def save_record(card: ModelCard, name: str, values: Mapping[str, Any]) -> Path:
    """Keep JSON values for a model under a name, beside what else is kept of it.

    Raises
    ------
    CardError
        If the card has no weights, or the file is damaged.
    WeightsError
        If the file cannot be written.
    """
    path = site_file(card)
    known = {"model": card.id, **_read(path), name: dict(values)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(known, indent=1, allow_nan=False), "utf-8")
    return path


def forget_record(card: ModelCard, name: str) -> None:
    """Forget what was kept for a model under a name; what else is kept stays.

    Raises
    ------
    CardError, WeightsError
        As `save_record`.
    """
    path = site_file(card)
    known = _read(path)
    if known.pop(name, None) is not None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(known, indent=1, allow_nan=False), "utf-8")


def forget_self_test(card: ModelCard) -> None:
    """Forget the self-test of a model at this site; errors as `save_record`."""
    forget_record(card, _SELF_TEST)


def load_self_test(card: ModelCard) -> SelfTest | None:
    """Give the self-test of a model at this site, if there was one.

    Raises
    ------
    CardError
        If the file is damaged.
    """
    found = load_record(card, _SELF_TEST)
    return None if found is None else SelfTest.from_json(found)


def save_self_test(card: ModelCard, test: SelfTest) -> SelfTest:
    """Keep a self-test, added to earlier ones of the same weights; give all of it.

    Raises
    ------
    CardError, WeightsError
        As `save_record`.
    """
    known = load_self_test(card)
    joined = test if known is None else known.added(test)
    save_record(card, _SELF_TEST, joined.to_json())
    return joined


def expected(card: ModelCard, sources: Collection[str], target: str) -> Expected | None:
    """Give what the self-test found for these sources; None if it knows nothing.

    Raises
    ------
    CardError
        If the file is damaged.
    """
    test = load_self_test(card)
    return None if test is None else expected_of(test, sources, target)


def expected_of(
    test: SelfTest, sources: Collection[str], target: str
) -> Expected | None:
    """Give what a self-test found for these sources; None if it knows nothing."""
    rows = test.of(sources, target)
    if not rows:
        return None
    by_subject: dict[str, list[Row]] = {}
    for row in rows:  # several planes of one subject are one subject
        by_subject.setdefault(row.subject, []).append(row)
    psnr, ssim, mae = (
        [fmean(getattr(row, name) for row in found) for found in by_subject.values()]
        for name in ("psnr", "ssim", "mae")
    )
    n = len(by_subject)
    who = "1 subject" if n == 1 else f"{n} subjects"
    return Expected(
        fmean(psnr),
        fmean(ssim),
        fmean(mae),
        stdev(psnr) if n > 1 else None,
        n,
        f"Measured here on {who} (self-test of {test.date}).",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        raise CardError(f"{path} is damaged ({err}): delete it.") from err
    if not isinstance(values, dict):
        raise CardError(f"{path} is damaged (no JSON object): delete it.")
    return values
