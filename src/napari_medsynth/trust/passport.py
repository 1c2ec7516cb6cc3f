"""The input passport: are these sources what the model expects? No torch."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari_medsynth.errors import VolumeError
from napari_medsynth.io import Study, Volume
from napari_medsynth.prepare import Look, Misalignment, look_at, misalignment
from napari_medsynth.prepare.align import MINIMAL_OVERLAP
from napari_medsynth.prepare.features import known_modalities

from . import checks
from .checks import AMBER, GREEN, LEVELS, RED, Check

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.engine import Result

_FEWEST_SLICES = 4  # of what can be looked at as a head

# A dock asks again whenever anything is chosen, mostly about the same volumes.
_looks: WeakKeyDictionary[Volume, Look] = WeakKeyDictionary()
_places: WeakKeyDictionary[Volume, tuple[ref[Volume], Misalignment]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True)
class Passport:
    """What was found out about the sources of a synthesis.

    Parameters
    ----------
    checks : tuple of Check
        The worst ones first, and of these what can be mended.
    """

    checks: tuple[Check, ...]

    @property
    def level(self) -> str:
        """The worst level of all checks."""
        found = {check.level for check in self.checks}
        return next((level for level in reversed(LEVELS) if level in found), GREEN)

    @property
    def objections(self) -> tuple[Check, ...]:
        """The checks that are not green."""
        return tuple(check for check in self.checks if check.level != GREEN)

    @property
    def summary(self) -> str:
        """A few words: how many checks are not green."""
        counts = {level: 0 for level in LEVELS}
        for check in self.checks:
            counts[check.level] += 1
        words = [
            f"{counts[level]} {word}"
            for level, word in ((RED, "wrong"), (AMBER, "doubtful"))
            if counts[level]
        ]
        judged = any(check.name == "distance" for check in self.checks)
        unknown = "" if judged else ", contrasts not judged"
        return f"Sources: {', '.join(words) or 'no objection'}{unknown}"

    def to_json(self) -> dict[str, Any]:
        """Give the passport as JSON values, for provenance."""
        keys = ("name", "modality", "level", "sentence")
        listed = [{key: asdict(check)[key] for key in keys} for check in self.checks]
        return {"level": self.level, "checks": listed}


def inspect(
    study: Study,
    card: ModelCard,
    sources: Collection[str],
    targets: Collection[str] = (),
    *,
    plane: str = "axial",
) -> Passport:
    """Look at the sources of a synthesis; see `inspect_steps`."""
    steps = inspect_steps(study, card, sources, targets, plane=plane)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            passport: Passport = end.value
            return passport


def inspect_steps(
    study: Study,
    card: ModelCard,
    sources: Collection[str],
    targets: Collection[str] = (),
    *,
    plane: str = "axial",
) -> Generator[str, None, Passport]:
    """Look at the sources of a synthesis, about 2 s for each the first time.

    Parameters
    ----------
    study : Study
    card : ModelCard
        Without ``features``, contrast, skull and distance are not judged.
    sources, targets : collection of str
        Modalities; a source that is also a target is not looked at.
    plane : {"axial", "coronal", "sagittal"}
        How slices are to be cut.

    Yields
    ------
    str
        What is being looked at.

    Returns
    -------
    Passport
        Never an error because of what a source shows: that is a red check.
    """
    shown = [m for m in card.inputs if m in sources and m not in targets and m in study]
    are_heads = bool(known_modalities(card.features))
    looks: dict[str, Look] = {}
    found: list[Check] = []
    for modality in shown:
        yield f"Looking at {modality}"
        try:
            if are_heads and min(study[modality].shape) >= _FEWEST_SLICES:
                looks[modality] = _look_of(study[modality])
        except VolumeError as err:
            found.append(Check("contrast", modality, RED, str(err)))
    for modality in shown:
        found += _of_one(modality, study[modality], looks, card, plane)
    for modality in shown[1:]:
        yield f"Comparing the place of {modality}"
        found += _of_pair(modality, shown[0], study)
    if plane not in card.planes:
        trained = ", ".join(card.planes)
        sentence = f"{card.title} was trained on {trained} slices, not {plane} ones."
        found.append(Check("plane", "", AMBER, sentence))
    return Passport(tuple(sorted(found, key=_badness)))


def stamped(result: Result, passport: Passport) -> Result:
    """Give a result whose volumes carry the passport in their provenance."""
    written = {"passport": passport.to_json()}

    def with_passport(volume: Volume) -> Volume:
        known = volume.metadata
        provenance = {**known.get("provenance", {}), **written}
        return replace(volume, metadata={**known, "provenance": provenance})

    return replace(
        result,
        volumes={name: with_passport(v) for name, v in result.volumes.items()},
        attention={name: with_passport(v) for name, v in result.attention.items()},
        provenance={**result.provenance, **written},
    )


def _of_one(
    modality: str,
    volume: Volume,
    looks: dict[str, Look],
    card: ModelCard,
    plane: str,
) -> Iterator[Check]:
    look = looks.get(modality)
    asked = [
        checks.check_spacing(modality, volume, card, plane),
        checks.check_orientation(modality, volume, look),
        checks.check_synthetic(modality, volume),
    ]
    if look is not None:
        asked += [
            checks.check_contrast(modality, looks, card),
            checks.check_skull(modality, look, card),
            checks.check_field_of_view(modality, look),
            checks.check_histogram(modality, volume, look, card),
            checks.check_distance(modality, look, card),
        ]
    elif min(volume.shape) < _FEWEST_SLICES and known_modalities(card.features):
        sentence = f"{modality} has too few slices to tell what it shows."
        asked.append(Check("contrast", modality, AMBER, sentence))
    return (check for check in asked if check is not None)


def _of_pair(modality: str, name: str, study: Study) -> Iterator[Check]:
    volume, reference = study[modality], study[name]
    shared = checks.check_overlap(modality, volume, name, reference, MINIMAL_OVERLAP)
    yield shared
    if shared.level == RED or min(*volume.shape, *reference.shape) < _FEWEST_SLICES:
        return
    try:
        place = _place_of(volume, reference)
    except VolumeError:
        return  # one of them is empty, which is said already
    yield checks.check_alignment(modality, name, place)


def _look_of(volume: Volume) -> Look:
    if volume not in _looks:
        _looks[volume] = look_at(volume)
    return _looks[volume]


def _place_of(volume: Volume, reference: Volume) -> Misalignment:
    known = _places.get(volume)
    if known is None or known[0]() is not reference:
        known = _places[volume] = (ref(reference), misalignment(reference, volume))
    return known[1]


def _badness(check: Check) -> tuple[int, bool]:
    return -LEVELS.index(check.level), not check.fix
