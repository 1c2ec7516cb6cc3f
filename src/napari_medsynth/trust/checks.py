"""What is looked at in a source before a model sees it: one function per question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_medsynth.io.geometry import obliquity
from napari_medsynth.prepare import Misalignment, overlap
from napari_medsynth.prepare.features import (
    HISTOGRAM,
    Look,
    distance,
    known_modalities,
    likeness,
)

if TYPE_CHECKING:
    from napari_medsynth.catalogue import ModelCard
    from napari_medsynth.io import Volume

GREEN, AMBER, RED = LEVELS = ("green", "amber", "red")

# How much nearer another contrast must be before it is named: a guess is a guess.
SUSPICIOUS, SURE = 1.15, 1.5
# Distance from the training scans: theirs are mostly below 1, hardly any above 1.5.
STRANGE, ALIEN = 1.5, 3.0
MAX_SHIFT, MAX_TURN = 2.0, 2.0  # [mm], [degree]; as in a training cohort
_FAR = 3.0  # times that: red
_COARSE, _THICK = 2.0, 5.0  # times the card's voxel size; slice distance [mm]
_TILTED = 30.0  # [degree]: no slice of it is axial any more
_LOW = 80.0  # height of a head [mm]
_WIDE = 1.15  # times as wide as long: no head lies like that
_SATURATED = 0.01  # share of the voxels inside that are equally bright
_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True)
class Check:
    """The answer to one question about one source.

    Parameters
    ----------
    name : str
        "contrast", "skull", "alignment", ...
    modality : str
        The source; "" for what concerns all.
    level : {"green", "amber", "red"}
        No objection; worth knowing; the result will be wrong.
    sentence : str
        What was found and what follows from it.
    fix : str
        What can be done with one click: "register" the source to the first one, "swap"
        it with `other`, "move" it to the slot of `other`; "" for nothing.
    other : str
        Another modality that the fix is about.
    """

    name: str
    modality: str
    level: str
    sentence: str
    fix: str = ""
    other: str = ""


def check_contrast(
    modality: str, looks: Mapping[str, Look], card: ModelCard
) -> Check | None:
    """Compare what a source looks like with the slot it is in.

    None if the card does not know what `modality` looks like.
    """
    known = known_modalities(card.features)
    if modality not in known:
        return None
    near = likeness(looks[modality].features, card.features)
    guess = next(iter(near))
    doubt = near[modality] / max(near[guess], 1e-9)
    if doubt < SUSPICIOUS:
        also = "" if guess == modality else f", and as much like a {guess}"
        return Check(
            "contrast", modality, GREEN, f"{modality} looks like a {modality}{also}."
        )
    partner = _partner(modality, near, looks, card)
    if partner:
        sentence = f"{modality} looks like a {partner} and {partner} like a {modality}"
        return Check(
            "contrast", modality, RED, f"{sentence}: swap the two.", "swap", partner
        )
    level = RED if doubt >= SURE else AMBER
    looks_like = f"{modality} looks like a {guess}"
    if guess in looks or guess not in card.inputs:
        sentence = f"{looks_like}: look whether the layer is the right one."
        return Check("contrast", modality, level, sentence)
    sentence = f"{looks_like}: if it is one, use it as {guess}."
    return Check("contrast", modality, level, sentence, "move", guess)


def check_skull(modality: str, look: Look, card: ModelCard) -> Check | None:
    """Compare whether there is a skull with the training scans; None if unknown."""
    if modality not in known_modalities(card.features):
        return None
    trained = card.features["modalities"][modality]["with_skull"]
    if look.has_skull and trained < 0.05:
        sentence = (
            f"{modality} shows a skull, but {card.title} has only seen brains: cut it "
            "away first."
        )
        return Check("skull", modality, RED, sentence)
    if not look.has_skull and trained > 0.95:
        sentence = f"{modality} shows no skull, but {card.title} has only seen heads."
        return Check("skull", modality, AMBER, sentence)
    shown = "a skull" if look.has_skull else "no skull"
    return Check("skull", modality, GREEN, f"{modality} shows {shown}, as in training.")


def check_distance(modality: str, look: Look, card: ModelCard) -> Check | None:
    """Compare the features with those of the training scans; None if unknown."""
    if modality not in known_modalities(card.features):
        return None
    away = distance(look.features, card.features, modality)
    level = RED if away >= ALIEN else AMBER if away >= STRANGE else GREEN
    words = {
        GREEN: f"{modality} is as near to the training scans as these to each other",
        AMBER: f"{modality} looks unlike any {modality} of the training: trust less",
        RED: f"{modality} looks like no {modality} that was ever learned from",
    }
    return Check("distance", modality, level, f"{words[level]} ({away:.1f}).")


def check_histogram(
    modality: str, volume: Volume, look: Look, card: ModelCard
) -> Check | None:
    """Look at the intensities alone: a wrong unit, saturation, an unusual spread."""
    values = volume.data[0].ravel()[::7]
    values = values[np.isfinite(values)]
    is_ct = modality == "CT" or not values.size
    if not is_ct and np.percentile(values, 5) < -500:
        sentence = f"{modality} holds values as of CT in Hounsfield units, not of MR."
        return Check("histogram", modality, RED, sentence)
    top = _share_of_top(values)
    if top > _SATURATED:
        sentence = f"{modality} is saturated: {top:.0%} of it is equally bright."
        return Check("histogram", modality, AMBER, sentence)
    if modality not in known_modalities(card.features):
        return None
    away = distance(look.features, card.features, modality, HISTOGRAM)
    if away < STRANGE:
        sentence = f"{modality} has a histogram as in training ({away:.1f})."
        return Check("histogram", modality, GREEN, sentence)
    level = RED if away >= ALIEN else AMBER
    sentence = f"{modality} has a histogram unlike any in training ({away:.1f})."
    return Check("histogram", modality, level, sentence)


def check_field_of_view(modality: str, look: Look) -> Check:
    """Tell whether a whole brain was scanned."""
    name, height = "field of view", look.extent[0]
    if not look.is_head:
        sentence = f"{modality} shows {look.volume:.0f} ml: that is no whole brain."
        return Check(name, modality, RED, sentence)
    if height < _LOW:
        sentence = f"{modality} shows {height:.0f} mm of the head, top to bottom."
        return Check(name, modality, AMBER, sentence)
    if look.is_cut:
        sentence = f"{modality} is cut off at the top of the head."
        return Check(name, modality, AMBER, sentence)
    return Check(name, modality, GREEN, f"{modality} shows the whole upper head.")


def check_orientation(modality: str, volume: Volume, look: Look | None) -> Check:
    """Tell whether the axes can be right, and straight enough to cut along."""
    tilt = obliquity(volume)
    if look is not None and look.extent[2] > _WIDE * look.extent[1]:
        sentence = (
            f"{modality} shows a head wider ({look.extent[2]:.0f} mm) than long "
            f"({look.extent[1]:.0f} mm): its axes may be wrong."
        )
        return Check("orientation", modality, AMBER, sentence)
    if tilt > _TILTED:
        sentence = (
            f"{modality} was scanned at a tilt of {tilt:.0f} degrees: its slices are "
            "cut along its own axes."
        )
        return Check("orientation", modality, AMBER, sentence)
    sentence = f"{modality} lies straight, to {tilt:.0f} degrees."
    return Check("orientation", modality, GREEN, sentence)


def check_spacing(modality: str, volume: Volume, card: ModelCard, plane: str) -> Check:
    """Compare the voxel size in and across slices with what the model knows."""
    axis = _AXES[plane]
    across = volume.spacing[axis]
    pixel = max(s for i, s in enumerate(volume.spacing) if i != axis)
    if card.spacing and pixel > _COARSE * card.spacing:
        sentence = (
            f"{modality} has pixels of {pixel:.2g} mm, {card.title} learned from "
            f"{card.spacing:g} mm: what is finer is made up."
        )
        return Check("spacing", modality, AMBER, sentence)
    if across > _THICK and volume.shape[axis] > 1:
        sentence = f"{modality} has slices {across:.1f} mm apart: thick ones blur."
        return Check("spacing", modality, AMBER, sentence)
    sentence = f"{modality} has {pixel:.2g} mm pixels, slices {across:.2g} mm apart."
    return Check("spacing", modality, GREEN, sentence)


def check_overlap(
    modality: str, volume: Volume, name: str, reference: Volume, least: float
) -> Check:
    """Tell how much of the reference a source covers."""
    shared, covered = overlap(volume, reference)
    if shared < least:
        sentence = f"{modality} and {name} do not show the same place."
        return Check("overlap", modality, RED, sentence, "register", name)
    level = GREEN if covered >= 0.9 else AMBER
    sentence = f"{modality} covers {covered:.0%} of {name}"
    end = "." if level == GREEN else "; the rest is black to the model."
    return Check("overlap", modality, level, sentence + end)


def check_alignment(modality: str, name: str, place: Misalignment) -> Check:
    """Tell how far a source lies off the reference."""
    off = max(place.shift / MAX_SHIFT, place.turn / MAX_TURN)
    how = f"{place.shift:.1f} mm and {place.turn:.1f} degrees"
    if off <= 1:
        sentence = f"{modality} lies on {name}, to {how}."
        return Check("alignment", modality, GREEN, sentence)
    level = RED if off > _FAR else AMBER
    sentence = f"{modality} lies {how} off {name}: register it."
    return Check("alignment", modality, level, sentence, "register", name)


def check_synthetic(modality: str, volume: Volume) -> Check | None:
    """Say that a source was itself made by a model; None if it is real."""
    if not volume.is_synthetic:
        return None
    sentence = f"{modality} is synthetic: its errors become those of the result."
    return Check("synthetic", modality, AMBER, sentence)


def _partner(
    modality: str,
    near: Mapping[str, float],
    looks: Mapping[str, Look],
    card: ModelCard,
) -> str:
    """Find the source with which exchanged slots would suit both better; "" if none."""
    for other in near:  # the likest first
        if other in looks and near[other] < near[modality]:
            back = likeness(looks[other].features, card.features)
            if SUSPICIOUS * back[modality] < back[other]:
                return other
    return ""


def _share_of_top(values: np.ndarray) -> float:
    """Give the share of what is above the mean that has the highest value of all."""
    if not values.size:
        return 0.0
    bright = values[values > values.mean()]
    return float(np.mean(bright == bright.max())) if bright.size else 0.0
