"""Guess the modality of an image from its tags or from what somebody named it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MODALITIES = (
    "T1",
    "T1ce",
    "T2",
    "PD",
    "FLAIR",
    "T2star",
    "DWI",
    "ADC",
    "CT",
    "PET",
    "CXR",
)

# A word starts after a sign or a digit, or where a small letter meets a capital one:
# "sub-01_T1w", "avg152T1" and "headT1" say T1, "patient1" and "PATIENT1" do not.
_START = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"
_END = r"(?![A-Za-z0-9])"
_END_OR_NUMBER = r"(?![A-Za-z])"
_WEIGHTED = r"(?:[-_ ]?(?:w|wi|weighted))?"

_AGENT = re.compile(
    rf"{_START}(?i:ce|gd|gad|gado|gadolinium|dotarem|gadovist|post(?:contrast|gd)?"
    rf"|contrast|enhanced){_END}|(?i:c\+|\+c|\+gd|ce-[a-z]+_)"
)
_NO_AGENT = re.compile(
    rf"{_START}(?i:pre|precontrast|native|plain|without|no|non|unenhanced){_END}"
)

# In this order: a rule that comes first wins over a later one.
_RULES: tuple[tuple[str, str], ...] = (
    ("ADC", rf"{_START}(?i:adc){_END_OR_NUMBER}"),
    ("DWI", rf"{_START}(?i:dwi|diff|diffusion|dti|tracew?){_END_OR_NUMBER}"),
    (
        "T2star",
        rf"{_START}(?i:t2(?:\*|[-_ ]?star|s){_WEIGHTED}|swi|gre[-_ ]?t2){_END}",
    ),
    (
        "T1ce",
        rf"{_START}(?i:t1{_WEIGHTED}[-_ ]?(?:ce|c|gd|gado?|post|contrast|k[mM])"
        rf"{_WEIGHTED}){_END}",
    ),
    ("T1 FLAIR", rf"{_START}(?i:t1{_WEIGHTED}[-_ ]?flair){_END}"),
    (
        "FLAIR",
        rf"{_START}(?i:e?t?2?[-_ ]?flair{_WEIGHTED}|t2f|dark[-_ ]?fluid|tirm)"
        rf"{_END_OR_NUMBER}",
    ),
    ("T1", rf"{_START}(?i:[es]?t1(?:{_WEIGHTED}|n)(?=[-_ ]|\W|$|[A-Z])){_END}"),
    ("T1", rf"{_START}[es]?[Tt]1[Ww]?(?=[A-Z][a-z])"),
    (
        "T1",
        rf"{_START}(?i:mp2?rage|unit1|f?spgr|bravo|vibe|mdeft|(?:ir-)?fspgr)"
        rf"{_END_OR_NUMBER}",
    ),
    ("T2", rf"{_START}(?i:[es]?t2{_WEIGHTED}){_END}"),
    ("T2", rf"{_START}[es]?[Tt]2[Ww]?(?=[A-Z][a-z])"),
    ("PD", rf"{_START}(?i:pd{_WEIGHTED}|proton[-_ ]?density|rho){_END}"),
    ("PET", rf"{_START}(?i:pet|fdg|suv){_END_OR_NUMBER}"),
    (
        "CXR",
        rf"{_START}(?i:cxr|(?:chest[-_ ]?)?x[-_ ]?ray|chest[-_ ]?pa){_END_OR_NUMBER}",
    ),
    ("CT", rf"{_START}(?i:(?:nc|ce|ld|cb|hr)?ct|cta|cbct){_END_OR_NUMBER}"),
)
_COMPILED = tuple((modality, re.compile(pattern)) for modality, pattern in _RULES)

_MR_TAGS = (
    "EchoTime",
    "RepetitionTime",
    "InversionTime",
    "MagneticFieldStrength",
    "ScanningSequence",
)
_TEXT_TAGS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
_BY_MODALITY_TAG = {
    "CT": "CT",
    "PT": "PET",
    "CR": "CXR",
    "DX": "CXR",
    "RG": "CXR",
}


def guess_modality(name: str = "", tags: Mapping[str, Any] | None = None) -> str:
    """Name the modality of an image, one of `MODALITIES`, or "" if nothing tells it.

    Parameters
    ----------
    name : str
        Name of the file (without its folder), folder, layer or BIDS suffix.
    tags : mapping, optional
        DICOM keywords, or the keys of a BIDS sidecar, to their values; times in ms.
        Known: Modality, SeriesDescription, ProtocolName, SequenceName, EchoTime,
        ContrastBolusAgent, RepetitionTime, InversionTime, ScanningSequence,
        MagneticFieldStrength.

    Notes
    -----
    Tags win over the name, what the technologist wrote wins over the times, and a
    modality tag that says CT is not believed when the image carries MR attributes.
    """
    tags = {
        key: value for key, value in (tags or {}).items() if value not in (None, "")
    }
    tagged = _BY_MODALITY_TAG.get(str(tags.get("Modality", "")))
    if tagged and not has_mr_attributes(tags):
        return tagged
    text = " ".join(str(tags[key]) for key in _TEXT_TAGS if key in tags)
    found = _from_text(text) or _from_times(tags) or _from_text(name)
    if found == "T1" and tags.get("ContrastBolusAgent") and not _NO_AGENT.search(text):
        return "T1ce"
    return found


def has_mr_attributes(tags: Mapping[str, Any]) -> bool:
    """Tell whether any attribute is present that only an MR image has."""
    return any(tags.get(key) not in (None, "", 0) for key in _MR_TAGS)


def modalities_in(text: str) -> list[str]:
    """List every modality that `text` names, in the order of the words."""
    words = re.split(r"[^A-Za-z0-9*+]+", text)
    return [found for word in words if (found := _from_text(word))]


def _from_text(text: str) -> str:
    for modality, pattern in _COMPILED:
        if not pattern.search(text):
            continue
        if modality in ("T1", "T1 FLAIR"):
            has_agent = _AGENT.search(text) and not _NO_AGENT.search(text)
            return "T1ce" if has_agent else "T1"
        return modality
    return ""


def _from_times(tags: Mapping[str, Any]) -> str:
    """Judge MR weighting by echo, repetition and inversion time [ms]."""
    echo, repetition = (
        _number(tags.get("EchoTime")),
        _number(tags.get("RepetitionTime")),
    )
    inversion = _number(tags.get("InversionTime"))
    if not echo or not repetition:
        return ""
    sequence = str(tags.get("ScanningSequence", ""))
    if "EP" in sequence:
        return ""
    if inversion > 1200 and echo > 60:
        return "FLAIR"
    if "GR" in sequence and "SE" not in sequence:
        return "T1" if echo < 10 and repetition < 3000 else "T2star" * (echo > 12)
    if "RM" in sequence:
        return ""
    if echo < 35:
        return "T1" if repetition < 1200 else "PD" * (repetition > 1500)
    return "T2" if echo > 60 and repetition > 1500 else ""


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
