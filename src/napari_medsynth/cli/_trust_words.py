"""What ``medsynth trust`` found, as tables and JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from napari_medsynth.trust.advice import Advice
    from napari_medsynth.trust.consistency import Consistency
    from napari_medsynth.trust.contribution import Contribution
    from napari_medsynth.trust.site import SelfTest


def contribution_table(found: Contribution) -> Table:
    """Give one row per target and source."""
    table = Table(box=None)
    for heading in ("target", "scan"):
        table.add_column(heading)
    for heading in ("share", "changes without it", "off when alone"):
        table.add_column(heading, justify="right")
    tally = found.tally
    for target, shares in tally.shares.items():
        for source, share in shares.items():
            lost, alone = tally.left_out[target][source], tally.alone[target][source]
            numbers = (f"{share:.0%}", f"{lost:.1%}", f"{alone:.1%}")
            table.add_row(target, source, *numbers)
    table.caption = "Changes are means over the foreground, in % of the range."
    return table


def contribution_json(
    found: Contribution,
    advice: Mapping[str, Sequence[Advice]],
    paths: Sequence[str],
) -> dict[str, Any]:
    """Give everything but the maps."""
    return {
        "shares": found.tally.shares,
        "left_out": found.tally.left_out,
        "alone": found.tally.alone,
        "runs": found.n_runs,
        "notes": list(found.notes),
        "advice": {t: [asdict(one) for one in gains] for t, gains in advice.items()},
        "paths": list(paths),
    }


def advice_sentence(target: str, advice: Advice) -> str:
    """Say what one more scan is worth: "With PD too: FLAIR +1.5 dB, ..."."""
    return (
        f"With {advice.missing} too: {target} {advice.gain_db:+.1f} dB, SSIM "
        f"{advice.ssim_gain:+.3f}. {advice.basis}"
    )


def self_test_table(test: SelfTest) -> Table:
    """Give one row per target and mask, averaged over subjects."""
    table = Table(box=None)
    for heading in ("target", "made of"):
        table.add_column(heading)
    for heading in ("subjects", "PSNR [dB]", "SSIM", "MAE"):
        table.add_column(escape(heading), justify="right")
    for target, sources in dict.fromkeys((r.target, r.sources) for r in test.rows):
        rows = test.of(sources, target)
        psnr, ssim, mae = (
            fmean(getattr(row, name) for row in rows)
            for name in ("psnr", "ssim", "mae")
        )
        numbers = (str(len(rows)), f"{psnr:.2f}", f"{ssim:.3f}", f"{mae:.3f}")
        table.add_row(target, ", ".join(sources), *numbers)
    return table


def consistency_rows(found: Consistency) -> list[dict[str, Any]]:
    """Give one JSON object per source."""
    return [
        {
            "source": source,
            "from": found.target,
            **asdict(one.scores),
            "usual": None if one.usual is None else asdict(one.usual),
        }
        for source, one in found.agreements.items()
    ]


def consistency_table(found: Consistency) -> Table:
    """Give one row per source, with what is usual beside it."""
    table = Table(box=None)
    table.add_column(f"back from {found.target}")
    for heading in ("PSNR [dB]", "SSIM", "MAE", "usual PSNR", "usual SSIM"):
        table.add_column(escape(heading), justify="right")
    for source, one in found.agreements.items():
        scores, usual = one.scores, one.usual
        measured = (f"{scores.psnr:.2f}", f"{scores.ssim:.3f}", f"{scores.mae:.3f}")
        known = ("-", "-")
        if usual is not None:
            known = (f"{usual.psnr:.2f}", f"{usual.ssim:.3f}")
        table.add_row(source, *measured, *known)
    return table


def usual_sentences(found: Consistency) -> list[str]:
    """Say what "usual" means, and where it was measured."""
    return [
        f"Usual for {source}: made of a real {found.target}. {one.usual.basis}"
        for source, one in found.agreements.items()
        if one.usual is not None
    ]
