"""Keep a tuned model: install its pack with a card that says all but who was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from napari_medsynth.catalogue import (
    ModelCard,
    ModelPack,
    check_id_is_free,
    get_pack,
    import_pack,
    models_folder,
    read_pack,
    write_pack,
)
from napari_medsynth.errors import CardError, MedSynthError
from napari_medsynth.training.folder import JOB, REPORT, read_json
from napari_medsynth.training.job import SUFFIX, WHO, TrainJob, job_from_json

from .verdict import MEASURES, Row, Verdict

PACK = "tuned.safetensors"
RESTRICTED = "trained on local data, which may restrict its use"
SAMPLE = "sample study, simulated (the base's own task)"


@dataclass(frozen=True)
class Counts:
    """What of the data may be told: numbers and contrasts, no name, no path.

    Parameters
    ----------
    n_train, n_held_out : int
        Subjects; 0 and 0 if unknown.
    n_slices : int
        Of those trained on; 0 if unknown.
    contrasts : tuple of str
    simulated_share : float
        Of the slices [0, 1].
    """

    n_train: int = 0
    n_held_out: int = 0
    n_slices: int = 0
    contrasts: tuple[str, ...] = ()
    simulated_share: float = 0.0


def keep(folder: Path, verdict: Verdict | None, *, id: str, title: str) -> ModelPack:
    """Install the tuned model of a run among the user's models, with a full card.

    The card is that of the base with another title: what it was trained on as counts,
    the recipe with date and parent, the measurements as its quality, and the base's
    limits with what the guard rail found. Names and paths of subjects stay in the run's
    folder.

    Parameters
    ----------
    folder : Path
        Of the run: its pack, job and data report are read.
    verdict : Verdict or None
        None if nothing was compared.
    id : str
        Of the card; where it is taken, "-2" or the next free number is added.
    title : str

    Returns
    -------
    ModelPack
        As it is installed.

    Raises
    ------
    WeightsError
        If the pack is missing or damaged, or cannot be written.
    CardError
        If the id is no id.
    """
    pack = read_pack(folder / PACK)
    job = _job(folder)
    base = _base(job)
    card = _described(pack.card, base, job, count_data(folder, job), verdict)
    card = replace(card, id=free_id(id), title=title.strip() or pack.card.title)
    with TemporaryDirectory() as place:
        path = Path(place) / f"{card.id}{SUFFIX}"
        write_pack(path, card, pack.weights())
        return import_pack(path)


def free_id(wanted: str) -> str:
    """Give `wanted`, or with the first number from 2 that makes it a new id."""
    number, found = 2, wanted
    while not _is_free(found):
        number, found = number + 1, f"{wanted}-{number}"
    return found


def count_data(folder: Path, job: TrainJob | None) -> Counts:
    """Count the subjects of a run, from its data report or else its job."""
    report = read_json(folder / REPORT)
    share = job.data.simulated_share if job else 0.0
    if not report:
        studies = job.data.studies if job else ()
        held_out = len(job.data.held_out) if job else 0
        known = [key for study in studies for key in study if key not in WHO]
        n = max(0, len(studies) - held_out)
        return Counts(n, held_out, 0, tuple(dict.fromkeys(known)), share)
    left_out = set(report["held_out"])
    names = {study["subject"] for study in report["studies"]} - left_out
    seen = [one for one in report["subjects"] if one["name"] in names]
    return Counts(
        len(seen),
        len(left_out),
        sum(one["n_slices"] for one in seen),
        tuple(dict.fromkeys(c for one in seen for c in one["contrasts"])),
        share,
    )


def _is_free(id: str) -> bool:
    try:
        check_id_is_free(id)
    except CardError:
        return False
    return not (models_folder() / f"{id}{SUFFIX}").exists()


def _job(folder: Path) -> TrainJob | None:
    """Read the job of a run; None if it is gone: the weights are worth keeping."""
    try:
        return job_from_json(read_json(folder / JOB))
    except CardError:
        return None


def _base(job: TrainJob | None) -> ModelCard | None:
    """Give the card of the base; None if there was none, or it is gone."""
    if job is None or not job.base:
        return None
    try:
        is_file = job.base.endswith(SUFFIX)
        return (read_pack(job.base) if is_file else get_pack(job.base)).card
    except MedSynthError:
        return None


def _described(
    card: ModelCard,
    base: ModelCard | None,
    job: TrainJob | None,
    counts: Counts,
    verdict: Verdict | None,
) -> ModelCard:
    """Fill in what the card of the run's pack does not say."""
    if base is None or job is None:  # then the card says already what the job says
        inherited, words = card, ("", "", "")
    else:
        inherited, words = base, (job.licence, job.training_data, job.limits)
    licence, data, limits = words
    lesson = "Fine-tuned on" if inherited.training_data else "Trained on"
    if base is not None:
        lesson = f"Fine-tuned from {base.title} on"
    before = f"Before: {inherited.training_data}" if inherited.training_data else ""
    return replace(
        card,
        licence=_licence(licence or inherited.licence, counts),
        reference=card.reference or inherited.reference,
        training_data=_sentences(f"{lesson} {describe_data(counts)}", data, before),
        limits=_sentences(inherited.limits, limits, *_finding(verdict)),
        quality=quality_rows(verdict) if verdict else (),
        training={**card.training, **_facts(base, counts, verdict)},
    )


def describe_data(counts: Counts) -> str:
    """Say what was learnt from, in counts: "12 subjects, 1480 slices, T1 T2; ..."."""
    if not counts.n_train:
        made_up = "simulated subjects only" if counts.simulated_share else "local data"
        return f"{made_up}; none named."
    parts = [_n(counts.n_train, "subject")]
    if counts.n_slices:
        parts.append(_n(counts.n_slices, "slice"))
    parts.append(" ".join(counts.contrasts))
    text = f"{', '.join(filter(None, parts))}; none named"
    if counts.n_held_out:
        text += f"; {_n(counts.n_held_out, 'more subject')} held out"
    if counts.simulated_share:
        text += f"; {counts.simulated_share:.0%} of the slices simulated"
    return f"{text}."


def quality_rows(verdict: Verdict) -> tuple[dict[str, Any], ...]:
    """Give a card's table of quality: means over subjects, then the base's own task."""
    n = _n(verdict.n_subjects, "held-out subject")
    return (
        *_averaged(verdict.rows, n),
        *_averaged(verdict.forgetting_rows, SAMPLE),
    )


def _averaged(rows: Sequence[Row], data: str) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["available"], row["target"]), []).append(row)
    numbers = [f"{prefix}{m}" for prefix in ("", "base_") for m in MEASURES]
    return [
        {
            "data": data,
            "available": available,
            "target": target,
            **{k: round(float(np.mean([r[k] for r in group])), 3) for k in numbers},
        }
        for (available, target), group in groups.items()
    ]


def _facts(
    base: ModelCard | None, counts: Counts, verdict: Verdict | None
) -> Mapping[str, Any]:
    """Give what the recipe does not know."""
    numbers = {
        "subjects": counts.n_train,
        "held_out_subjects": counts.n_held_out,
        "slices": counts.n_slices,
    }
    facts: dict[str, Any] = {key: n for key, n in numbers.items() if n}
    if base is not None:
        facts |= {"base": base.id, "parent": base.sha256}
    if verdict is not None:
        facts["verdict"] = verdict.verdict
        psnr = verdict.differences.get("psnr")
        if psnr is not None:
            ends = (psnr.mean, psnr.low, psnr.high)
            facts["psnr_difference"] = [
                None if x is None else round(x, 3) for x in ends
            ]
    return facts


def _finding(verdict: Verdict | None) -> list[str]:
    if verdict is None:
        return ["Not compared with another model after training."]
    chosen = "The same subjects chose the epoch." if verdict.n_subjects else ""
    return [f"After fine-tuning: {verdict.sentence}", chosen]


def _licence(inherited: str, counts: Counts) -> str:
    is_local = counts.n_train > 0 or counts.simulated_share < 1
    if RESTRICTED in inherited or not is_local:
        return inherited
    return f"{inherited or 'unknown'} ({RESTRICTED})"


def _sentences(*parts: str) -> str:
    return " ".join(part.strip() for part in parts if part.strip())


def _n(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
