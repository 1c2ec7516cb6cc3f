"""Captions of the Attention dock: what is said of a cell, and of a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard

    from ._attention_ask import Ask
    from ._attention_jobs import Job

_MINUS = "\N{MINUS SIGN}"
_LONGEST = 30  # characters that fit into a third of the canvas


def name_of(job: Job, ask: Ask) -> str:
    """Give method and question: "rollout all blocks, looked at"."""
    if ask.is_whole:
        return f"{job.source.title}, whole slice"
    return f"{job.source.title}, {'what used it' if job.is_reverse else 'looked at'}"


def made_by(card: ModelCard) -> str:
    """Give model and weights: "ResViT starter (1f3a5c)"."""
    return f"{card.title} ({card.sha256[:6]})" if card.sha256 else card.title


def short_name(job: Job, weights: str = "") -> str:
    """Give method and weights, for a cell at whose top the model stands."""
    short = f"reverse {job.source.title}" if job.is_reverse else job.source.title
    return f"{short} ({weights[:6]})" if weights else short


def difference_title(pair: tuple[str, ...]) -> str:
    """Name the cell of a difference: the second minus the first."""
    return f"{pair[1]} {_MINUS} {pair[0]}"


def tops_of(job: Job, stages: Mapping[str, str]) -> dict[str, str]:
    """Give what stands at the top of each cell: model and before or after.

    Parameters
    ----------
    job : Job
    stages : mapping
        "before" or "after" by the titles of models that have such a word.
    """
    tops = {}
    for title in job.requests:
        word = f" ({stages[title]})" if title in stages else ""
        tops[title] = elided(title, _LONGEST - len(word)) + word
    if job.pair:
        words = [stages.get(title, "") for title in job.pair]
        if "" in words or words[0] == words[1]:
            words = [elided(title, (_LONGEST - 3) // 2) for title in job.pair]
        tops[difference_title(job.pair)] = difference_title(tuple(words))
    return tops


def short_of(reason: str) -> str:
    """Give what a reason begins with, before a colon, for a caption."""
    short = reason.partition(":")[0].rstrip(".")
    return short[:1].lower() + short[1:]


def elided(text: str, longest: int) -> str:
    """Give a text with its middle left out where it is longer: "Starter...ite A"."""
    if len(text) <= longest:
        return text
    n_last = (longest - 1) // 2
    start = text[: longest - 1 - n_last].rstrip()
    return f"{start}\N{HORIZONTAL ELLIPSIS}{text[-n_last:].lstrip()}"
