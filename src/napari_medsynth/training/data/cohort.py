"""Who is learnt from: subjects of a folder or a list, and who of them is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import VolumeError
from napari_medsynth.training.job import DataConfig

from .samples import Subject, contrasts_of
from .scans import Group, apart, chosen, find_groups
from .single import single_subjects


def subjects_for(data: DataConfig, card: ModelCard) -> tuple[Subject, ...]:
    """List the subjects of a job that a model could learn from; no voxel is read.

    Raises
    ------
    VolumeError
        As `find_subjects`, or `single_subjects` for restoration.
    """
    if card.is_restoration:
        return tuple(_with_unique_names(single_subjects(data, card)))
    return find_subjects(data, contrasts_of(card))


def find_subjects(data: DataConfig, contrasts: tuple[str, ...]) -> tuple[Subject, ...]:
    """List the subjects of a job by name; no voxel is read.

    Parameters
    ----------
    data : DataConfig
        `folder`: a BIDS data set (sessions are subjects of their own, of one person),
        one folder per subject, one folder per contrast, files that are named alike, or
        a single subject. `studies`: more of them.
    contrasts : tuple of str
        What is looked for; all else is ignored, and so are masks, synthetic images and
        ``derivatives``.

    Returns
    -------
    tuple of Subject
        Sorted, with unique names; some may lack contrasts.

    Raises
    ------
    VolumeError
        If no subject has two of the contrasts (one, if they need no pairs), or the
        folder does not exist.
    """
    if not data.folder and not data.studies:
        return ()
    found = [*_listed(data, contrasts), *_in_folder(data, contrasts)]
    is_paired = data.pairing == "paired"
    if not any(len(subject.files) > is_paired for subject in found):
        where = data.folder or "the list"
        raise VolumeError(
            f"No subject with {'two' if is_paired else 'one'} of "
            f"{', '.join(contrasts)} was found in {where}: it "
            "needs one folder per subject with files named by contrast (T1.nii.gz), "
            "or a BIDS data set."
        )
    return tuple(sorted(_with_unique_names(found), key=lambda s: s.name))


def split_subjects(
    subjects: tuple[Subject, ...], data: DataConfig, *, seed: int
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """Give the subjects to train on and those held out; a person is in one of them.

    Without names in ``data.held_out``, a share of the persons is drawn by hashes of
    their names: a new subject moves hardly any other one.

    Raises
    ------
    VolumeError
        If a held-out subject does not exist, or nobody is left to train on.
    """
    names = {s.name for s in subjects} | {_person(s) for s in subjects}
    unknown = sorted(set(data.held_out) - names)
    if unknown:
        raise VolumeError(
            f"There is no subject {', '.join(unknown)} to hold out; there are "
            f"{', '.join(sorted({s.name for s in subjects})) or 'none'}."
        )
    persons = _drawn({_person(s) for s in subjects}, data.held_out_share, seed)
    if data.held_out:
        wanted = set(data.held_out)
        persons = {_person(s) for s in subjects if wanted & {s.name, _person(s)}}
    held_out = tuple(s for s in subjects if _person(s) in persons)
    train = tuple(s for s in subjects if _person(s) not in persons)
    if held_out and not train and not data.simulated_share:
        raise VolumeError(
            "All subjects are held out: leave at least one person to train on."
        )
    return train, held_out


def split_for(
    data: DataConfig, card: ModelCard, subjects: tuple[Subject, ...], *, seed: int
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """Give the subjects to train on and those held out, as `split_subjects`.

    Of unpaired data, only subjects with sources and targets can be held out, because
    only they can be measured: without any, or with just one, nobody is.

    Raises
    ------
    VolumeError
        As `split_subjects`.
    """
    if data.pairing == "paired":
        return split_subjects(subjects, data, seed=seed)
    wanted = set(contrasts_of(card))
    paired = tuple(s for s in subjects if wanted <= set(s.files))
    chosen_from = subjects if data.held_out else paired
    _, held_out = split_subjects(chosen_from, data, seed=seed)
    persons = {_person(s) for s in held_out}
    train = tuple(s for s in subjects if _person(s) not in persons)
    return train, tuple(s for s in held_out if s in paired)


def can_teach_unpaired(subject: Subject, wanted: set[str], card: ModelCard) -> bool:
    """Whether a subject has all sources, or all targets; `wanted` are all of them."""
    has = set(subject.files)
    return set(card.inputs) <= has or set(card.outputs) <= has


def why_unusable(
    card: ModelCard,
    contrasts: Collection[str],
    targets: tuple[str, ...] = (),
    *,
    pairing: str = "paired",
) -> str:
    """Say what a subject with these contrasts lacks, "no T2"; "" if nothing."""
    wanted = targets or card.outputs
    if pairing == "unpaired":
        has = set(contrasts)
        if set(card.inputs) <= has or set(card.outputs) <= has:
            return ""
        return f"neither {', '.join(card.inputs)} nor {', '.join(card.outputs)}"
    if card.is_restoration:
        return "" if card.outputs[0] in contrasts else f"no {card.outputs[0]}"
    known = [c for c in contrasts_of(card) if c in contrasts]
    if not card.is_unified:
        missing = [c for c in card.inputs if c not in contrasts]
        if missing:
            return f"no {', '.join(missing)}"
    if not any(c in contrasts for c in wanted):
        return f"no {' or '.join(wanted)}"
    if len(known) < 2 and len(contrasts_of(card)) > 1:
        return f"nothing beside {known[0]}"
    return ""


def _listed(data: DataConfig, contrasts: tuple[str, ...]) -> Iterator[Subject]:
    for number, study in enumerate(data.studies, start=1):
        files = {key: path for key, path in study.items() if key in contrasts}
        name = study.get("subject") or f"subject-{number}"
        yield Subject(name, files, study.get("person", ""))


def _in_folder(data: DataConfig, contrasts: tuple[str, ...]) -> Iterator[Subject]:
    entry = data.folder
    if not entry:
        return
    root = Path(entry).expanduser().absolute()
    if not root.is_dir():
        raise VolumeError(f"{entry} is no folder: choose one with scans.")
    groups = find_groups(root, contrasts)
    if data.pairing == "unpaired":
        groups = apart(groups)
    short = Counter(group.name or group.folder.name for group in groups)
    for group in groups:
        files, notes = chosen(group.scans)
        name = group.name or group.folder.name
        if short[name] > 1:
            name = _long_name(group, root)
        ordered = {c: str(files[c]) for c in contrasts if c in files}
        yield Subject(name, ordered, group.person, notes)


def _long_name(group: Group, root: Path) -> str:
    parts = [*group.folder.relative_to(root).parts, group.name]
    return "_".join(filter(None, parts)) or root.name


def _with_unique_names(subjects: Iterable[Subject]) -> Iterator[Subject]:
    """Number subjects of one name; they count as one person."""
    seen: Counter[str] = Counter()
    for subject in subjects:
        seen[subject.name] += 1
        n = seen[subject.name]
        name = f"{subject.name} ({n})" if n > 1 else subject.name
        yield replace(subject, name=name, person=_person(subject))


def _person(subject: Subject) -> str:
    return subject.person or subject.name


def _drawn(persons: set[str], share: float, seed: int) -> set[str]:
    if len(persons) < 2 or not share:
        return set()
    n = min(max(1, round(share * len(persons))), len(persons) - 1)
    by_hash = sorted(
        persons, key=lambda name: sha256(f"{seed} {name}".encode()).hexdigest()
    )
    return set(by_hash[:n])
