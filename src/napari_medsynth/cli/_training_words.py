"""Events of a training run in words."""

from __future__ import annotations

from collections.abc import Mapping

from napari_medsynth.training import events


def sentence_of(event: events.Event) -> str:
    """Say in a line what has happened; "" for what comes many times a minute."""
    if isinstance(event, events.Note):
        return event.text
    if isinstance(event, events.SubjectRead):
        return _subject(event.report)
    if isinstance(event, events.Started):
        return _started(event)
    if isinstance(event, events.Epoch):
        return _epoch(event)
    if isinstance(event, events.Judged):
        return str(event.verdict.get("sentence", ""))
    if isinstance(event, events.Failed):
        return event.error
    if isinstance(event, events.Done):
        return f"Done ({event.reason})."
    return ""


def is_warning(event: events.Event) -> bool:
    """Whether an event tells of something that is not as it should be."""
    if isinstance(event, events.SubjectRead):
        return bool(event.report.get("problems"))
    return isinstance(event, events.Note) and event.level == "warning"


def duration(seconds: float) -> str:
    """Give "50 s", "12 min" or "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return (
        f"{minutes} min"
        if minutes < 90
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def _subject(report: Mapping[str, object]) -> str:
    contrasts, problems = report.get("contrasts"), report.get("problems")
    names = ", ".join(contrasts) if isinstance(contrasts, dict) else ""
    said = "; ".join(map(str, problems)) if isinstance(problems, list | tuple) else ""
    line = (
        f"{report.get('name')}: {report.get('role')}, {names}, "
        f"{report.get('n_slices')} slices"
    )
    return f"{line}; {said}" if said else line


def _started(event: events.Started) -> str:
    continued = f", continued after step {event.step}" if event.step else ""
    return (
        f"{event.n_train} subjects to learn from, {event.n_held_out} held out; "
        f"{event.n_steps} steps of {event.batch_size} slices; {event.n_parameters:,} "
        f"numbers learn on {event.device} in {event.precision}{continued}"
    )


def _epoch(event: events.Epoch) -> str:
    parts = [f"loss {event.train['total']:.4f}"] if "total" in event.train else []
    names = {"psnr": ("PSNR", "{:.2f} dB"), "mae": ("error", "{:.4f}")}
    for name, value in event.validation.items():
        label, form = names.get(name, (name, "{:.4f}"))
        parts.append(f"held-out {label} {form.format(value)}")
    title = f"Epoch {event.epoch}" if event.epoch else "Before training"
    line = f"{title}: {', '.join(parts)}" if parts else ""
    return f"{line}, best so far" if line and event.is_best else line
