"""Which missing scan would help most: from what was measured. No torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import CardError

from .site import SelfTest, expected_of


@dataclass(frozen=True)
class Quality:
    """How well a target was made of some sources.

    Parameters
    ----------
    psnr, ssim : float
        PSNR in dB.
    basis : str
        One sentence: on what it was measured.
    """

    psnr: float
    ssim: float
    basis: str


@dataclass(frozen=True)
class Advice:
    """What one more source is worth.

    Parameters
    ----------
    missing : str
        The source to acquire.
    gain_db, ssim_gain : float
        By how much PSNR [dB] and SSIM were better with it; below 0 if worse.
    basis : str
        One sentence: on what it was measured.
    """

    missing: str
    gain_db: float
    ssim_gain: float
    basis: str


def advise(
    card: ModelCard,
    sources: Collection[str],
    target: str,
    site: SelfTest | None = None,
) -> tuple[Advice, ...]:
    """Tell what each contrast that is missing would bring, the most helpful one first.

    Parameters
    ----------
    card : ModelCard
        A unified model. One of fixed sources needs them all: no advice.
    sources : collection of str
        What there is; not empty.
    target : str
        What is to be made.
    site : SelfTest, optional
        Measurements at this site. They count before the card's, and among the card's
        data those of real subjects count first: the nearest to the user's own scans
        that has the model measured both with the contrast and without it.

    Returns
    -------
    tuple of Advice
        None for a contrast with which the model was never measured.

    Raises
    ------
    CardError
        If the model does not make the target.
    """
    if target not in card.outputs:
        raise CardError(
            f"{card.title} cannot make {target}; it makes {', '.join(card.outputs)}."
        )
    have = [m for m in card.inputs if m in sources and m != target]
    missing = [m for m in card.inputs if m not in sources and m != target]
    if not have or not card.is_unified:
        return ()
    found = [
        _from_site(site, have, one, target) or _from_card(card, have, one, target)
        for one in missing
    ]
    known = (advice for advice in found if advice is not None)
    return tuple(sorted(known, key=lambda advice: -advice.gain_db))


def known_quality(
    card: ModelCard,
    sources: Collection[str],
    target: str,
    site: SelfTest | None = None,
) -> Quality | None:
    """Tell how well a target was made of exactly these sources, if anybody knows.

    At this site, else on the card's most realistic data.
    """
    here = None if site is None else expected_of(site, sources, target)
    if here is not None:
        return Quality(here.psnr, here.ssim, here.basis)
    for data, rows in _by_data(card):
        row = _row(rows, sources, target)
        if row is not None:
            return Quality(row["psnr"], row["ssim"], _basis(data))
    return None


def _from_site(
    site: SelfTest | None, have: list[str], missing: str, target: str
) -> Advice | None:
    """Compare with and without, subject by subject."""
    if site is None:
        return None
    before = {(row.subject, row.plane): row for row in site.of(have, target)}
    pairs = [
        (before[row.subject, row.plane], row)
        for row in site.of([*have, missing], target)
        if (row.subject, row.plane) in before
    ]
    if not pairs:
        return None
    n = len({row.subject for row, _ in pairs})
    return Advice(
        missing,
        fmean(after.psnr - row.psnr for row, after in pairs),
        fmean(after.ssim - row.ssim for row, after in pairs),
        f"Measured here on {n} subject{'s' * (n > 1)} (self-test of {site.date}).",
    )


def _from_card(
    card: ModelCard, have: list[str], missing: str, target: str
) -> Advice | None:
    for data, rows in _by_data(card):
        before = _row(rows, have, target)
        after = _row(rows, [*have, missing], target)
        if before is not None and after is not None:
            psnr, ssim = (after[key] - before[key] for key in ("psnr", "ssim"))
            return Advice(missing, psnr, ssim, _basis(data))
    return None


def _by_data(card: ModelCard) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Give the card's rows by data set, the most realistic first."""
    by_data: dict[str, list[Mapping[str, Any]]] = {}
    for row in card.quality:
        by_data.setdefault(str(row.get("data", "")), []).append(row)
    yield from sorted(by_data.items(), key=lambda item: _distance(item[0]))


def _distance(data: str) -> int:
    """Rank data sets: real and held out, real, anything else, seen in training."""
    if "trained on" in data:
        return 3
    return ("real" not in data) + ("held out" not in data.replace("-", " "))


def _row(
    rows: list[Mapping[str, Any]], sources: Collection[str], target: str
) -> Mapping[str, Any] | None:
    for row in rows:
        has_numbers = all(isinstance(row.get(k), int | float) for k in ("psnr", "ssim"))
        if (
            has_numbers
            and row.get("target") == target
            and _available(row) == set(sources)
        ):
            return row
    return None


def _available(row: Mapping[str, Any]) -> set[str]:
    """Give the sources of a row, written "T1+T2" or as a list."""
    written = row.get("available", ())
    return set(written.split("+") if isinstance(written, str) else written)


def _basis(data: str) -> str:
    return f"Measured by the model's authors: {data or 'data not named'}."
