"""Events of a training run as words for people. Needs no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]

_DOT = " \N{MIDDLE DOT} "
_REASONS = {
    "finished": "All epochs are done.",
    "stopped": "Stopped as asked.",
    "patience": "Stopped early: it did not get better any more.",
}


def duration(seconds: float) -> str:
    """Write a time: "8 s", "2 min 05 s", "3 h 20 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def time_left(step: Event) -> str:
    """Write how long a run still takes, from its newest "step" event."""
    return f"{duration(max(float(step['eta']), 0.0))} left"


def state_text(events: Mapping[str, Event]) -> str:
    """Say what a run is doing now.

    Parameters
    ----------
    events : mapping
        The newest event of each kind, and the very newest as "last".
    """
    last = events["last"]
    started, step = events.get("started"), events.get("step")
    kind = last.get("event")
    if kind == "subjectread":
        return f"Reading the subjects: {last.get('report', {}).get('name', '')}"
    if kind in ("judging", "judged"):
        return "Comparing with the base model on the held-out subjects."
    if kind == "failed":
        return str(last.get("error", ""))
    if kind == "done":
        return _REASONS.get(str(last.get("reason")), "Done.")
    if started is None:
        return ""
    n_epochs = started["n_epochs"]
    if step is None:
        return f"{started['n_train']} subjects to learn from; the first step\u2026"
    return f"Epoch {step['epoch']} of {n_epochs}"


def facts_text(events: Mapping[str, Event]) -> str:
    """Write speed, memory, learning rate and device in one line."""
    started, step = events.get("started"), events.get("step")
    facts = []
    if step is not None:
        facts += [
            f"{step['samples_per_second']:.1f} slices/s",
            f"{step['memory']:.1f} GiB",
            f"learning rate {step['learning_rate']:.1e}",
        ]
    if started is not None:
        facts += [
            f"{started['device']}, {started['precision']}",
            f"{started['batch_size']} slices per step",
        ]
    return _DOT.join(facts)


def log_line(event: Event) -> str:
    """Write an event as one line of the log; "" for those that come too often."""
    write = _LINES.get(str(event.get("event")))
    return write(event) if write else ""


def _note(event: Event) -> str:
    sign = "\N{WARNING SIGN} " if event.get("level") == "warning" else ""
    return f"{sign}{event.get('text', '')}"


def _started(event: Event) -> str:
    done = f", continued after step {event['step']}" if event["step"] else ""
    return (
        f"{event['n_train']} subjects to learn from, {event['n_held_out']} held out; "
        f"{event['n_epochs']} epochs of {event['steps_per_epoch']} steps; "
        f"{event['n_parameters']:,} numbers are trained{done}."
    )


def _estimated(event: Event) -> str:
    return f"It will take about {duration(float(event['seconds']))}."


def _epoch(event: Event) -> str:
    values = {"loss": event["train"].get("total")} | dict(event["validation"])
    numbers = [f"{k} {v:.4g}" for k, v in values.items() if v is not None]
    name = f"Epoch {event['epoch']}" if event["epoch"] else "Before training"
    best = _DOT + "best so far" if event.get("is_best") and event["epoch"] else ""
    return f"{name}: {', '.join(numbers) or 'no subject is held out'}{best}"


def _subject(event: Event) -> str:
    report = event.get("report", {})
    problems = "; ".join(report.get("problems", ()))
    sign = "\N{WARNING SIGN} " if problems else ""
    return f"{sign}{report.get('name', '')}: {problems or report.get('role', '')}"


def _judged(event: Event) -> str:
    return str(event.get("verdict", {}).get("sentence", ""))


def _done(event: Event) -> str:
    return _REASONS.get(str(event.get("reason")), "Done.")


def _failed(event: Event) -> str:
    return f"\N{WARNING SIGN} {event.get('error', '')}"


_LINES = {
    "note": _note,
    "started": _started,
    "estimated": _estimated,
    "epoch": _epoch,
    "subjectread": _subject,
    "judged": _judged,
    "done": _done,
    "failed": _failed,
}
