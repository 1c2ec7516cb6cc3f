"""What the Trust dock says in words and in its CSV file; knows no Qt."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from napari_medsynth.errors import CardError
from napari_medsynth.trust.site import expected_of, load_self_test

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.trust.advice import Advice
    from napari_medsynth.trust.consistency import Consistency
    from napari_medsynth.trust.one_slice import Tally
    from napari_medsynth.trust.site import SelfTest

    from ._request import Request

# Of the range: below it, nobody would see that a source is gone.
NOT_MISSED = 0.01
_LARGE_SHARE = 0.15
CLEARLY_WORSE = 1.0  # dB
_FIELDS = ("slice", "target", "scan", "share", "left_out", "alone", "voxels")


class Share(NamedTuple):
    """Numbers of one source, all 0 to 1; see `trust.one_slice.Tally`."""

    source: str
    share: float
    left_out: float
    alone: float


def shares_of(tally: Tally) -> dict[str, list[Share]]:
    """Give the numbers of every source, by target."""
    shares, left_out, alone = tally.shares, tally.left_out, tally.alone
    return {
        target: [
            Share(s, share, left_out[target][s], alone[target][s])
            for s, share in by_source.items()
        ]
        for target, by_source in shares.items()
    }


def title_of(request: Request | None, index: int) -> str:
    """Name a slice: "Axial slice 78"."""
    return f"{request.options.plane.capitalize()} slice {index}" if request else ""


def remarks_on(tally: Tally, notes: Sequence[str] = ()) -> list[str]:
    """Say what the shares alone do not tell: which sources stand for one another.

    `notes` on the model come last.
    """
    if not tally.n_voxels:
        return ["There is nothing to see on this slice."]
    if len(tally.sources) < 2:
        return ["There is one scan only: all comes from it.", *notes]
    sentences: list[str] = []
    for target, rows in shares_of(tally).items():
        spare = [r for r in rows if r.left_out < NOT_MISSED and r.share > _LARGE_SHARE]
        sentences += [
            f"{target} changes by {percent(row.left_out)} without {row.source}, for "
            f"all its share of {row.share:.0%}: the other scans tell the same."
            for row in spare
        ]
    return [*sentences, *notes]


def overall_sentence(tally: Tally, n_slices: int) -> str:
    """Say the shares of all slices in one line per target."""
    lines = []
    for target, rows in shares_of(tally).items():
        listed = ", ".join(f"{row.source} {row.share:.0%}" for row in rows)
        lines.append(f"All {n_slices} slices, {target}: {listed}.")
    return "\n".join(lines)


def expected_sentences(
    card: ModelCard,
    sources: Collection[str],
    targets: Collection[str],
    site: SelfTest | None,
) -> list[str]:
    """Say how far off a synthesis is to be expected at this site, if that is known."""
    if site is None:
        return []
    found = {t: expected_of(site, sources, t) for t in targets}
    return [
        f"Expected here, {target}: PSNR {known.psnr:.1f}"
        + (f" \N{PLUS-MINUS SIGN} {known.spread:.1f}" if known.spread else "")
        + f" dB, SSIM {known.ssim:.2f}, MAE {known.mae:.3f}. {known.basis}"
        for target, known in found.items()
        if known is not None
    ]


def expected_here(
    card: ModelCard, sources: Collection[str], targets: Collection[str]
) -> list[str]:
    """Give `expected_sentences` of what is kept; a damaged file says nothing here."""
    try:
        return expected_sentences(card, sources, targets, load_self_test(card))
    except CardError:
        return []


def advice_sentence(
    card: ModelCard, sources: Collection[str], target: str, found: Sequence[Advice]
) -> str:
    """Say which missing scan would help a target most, or why nobody knows."""
    missing = [m for m in card.inputs if m not in sources and m != target]
    if not card.is_unified:
        return f"{card.title} takes all of {', '.join(card.inputs)}, and no more."
    if not missing:
        return f"{target}: every other scan that {card.title} takes is there."
    if not found:
        return (
            f"{target}: {card.title} was never measured both with and without "
            f"{' or '.join(missing)}; nobody knows what it would bring."
        )
    best = found[0]
    if best.gain_db <= 0:
        return f"No scan that is missing made {target} better where it was measured."
    return f"{best.missing} would help {target} most: PSNR {best.gain_db:+.1f} dB."


def basis_sentences(listed: Sequence[tuple[str, Advice]]) -> list[str]:
    """Say on what gains were measured; gains on other images are not comparable."""
    names: dict[str, list[str]] = {}
    for name, advice in listed:
        names.setdefault(advice.basis, []).append(name)
    if len(names) == 1:
        return list(names)
    lines = [f"{', '.join(known)}: {basis}" for basis, known in names.items()]
    return [*lines, "Gains on different images do not compare well."] if lines else []


def why_not_shared(card: ModelCard | None) -> str:
    """Say why there is nothing to share out among images; "" if there is."""
    if card is None or len(card.inputs) > 1:
        return ""
    return f"{card.title} makes all of one image: there is nothing to share out."


def made_by(card: ModelCard) -> str:
    """Name the model and its weights: "ResViT starter (ab12cd)"."""
    return f"{card.title} ({card.sha256[:6]})" if card.sha256 else card.title


def percent(value: float) -> str:
    """Write a share with one digit after the point: "3.1%"."""
    return f"{value:.1%}"


def contribution_csv(
    request: Request, tallies: Mapping[int, Tally], overall: Tally | None
) -> str:
    """Write one line per slice, target and source; "all" for all slices together."""
    text = io.StringIO()
    card = request.card
    extra = {
        "plane": request.options.plane,
        "model": card.id,
        "weights_sha256": card.sha256,
    }
    table = csv.DictWriter(text, [*_FIELDS, *extra], lineterminator="\n")
    table.writeheader()
    known = [(str(index), tallies[index]) for index in sorted(tallies)]
    if overall is not None:
        known.append(("all", overall))
    for name, tally in known:
        table.writerows({"slice": name, **row, **extra} for row in _rows(tally))
    return text.getvalue()


def _rows(tally: Tally) -> Iterator[dict[str, object]]:
    for target, rows in shares_of(tally).items():
        for row in rows:
            yield {
                "target": target,
                "scan": row.source,
                "share": row.share,
                "left_out": row.left_out,
                "alone": row.alone,
                "voxels": tally.n_voxels,
            }


def agreement_rows(found: Consistency) -> list[tuple[str, ...]]:
    """Give the table of a consistency check: scan, PSNR, SSIM, MAE, usual PSNR."""
    return [
        (
            one.source,
            f"{one.scores.psnr:.1f}",
            f"{one.scores.ssim:.3f}",
            f"{one.scores.mae:.3f}",
            f"{one.usual.psnr:.1f}" if one.usual else "not known",
        )
        for one in found.agreements.values()
    ]


def consistency_sentences(found: Consistency) -> list[str]:
    """Say which scan the synthesis does not agree with, and who knows what is usual."""
    usual = {s: one.usual for s, one in found.agreements.items() if one.usual}
    worse = [
        f"{source} is {known.psnr - found.agreements[source].scores.psnr:.1f} dB worse "
        f"than usual: {found.target} may have lost what {source} shows."
        for source, known in usual.items()
        if found.agreements[source].scores.psnr < known.psnr - CLEARLY_WORSE
    ]
    if not usual:
        return ["What is usual for this model was never measured: run a self-test."]
    calm = [] if worse else ["No scan is clearly worse than usual."]
    named: dict[str, list[str]] = {}
    for source, known in usual.items():
        named.setdefault(known.basis, []).append(source)
    bases = [f"Usual of {', '.join(of)}: {basis}" for basis, of in named.items()]
    return [*worse, *calm, *bases]
