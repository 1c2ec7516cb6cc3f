"""Find the scans in a folder, and say which of them belong to one subject."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medsynth.io import guess_modality, read_sidecar
from napari_medsynth.io.dicom import list_series, read_dicom
from napari_medsynth.io.modality import MODALITIES
from napari_medsynth.io.raster import read_raster
from napari_medsynth.io.read import reader_of
from napari_medsynth.io.source import source_of, stem_of

_NO_SCAN = re.compile(
    r"(?i)mask(?!ed)|(?<![a-z])(seg|dseg|probseg|labels?\d*|lesions?|roi|part-phase)"
    r"(?![a-z])"
)
_SKIPPED = ("derivatives", "sourcedata", "code")
_BIDS = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)(?:/(ses-[A-Za-z0-9]+))?/")
# A session called "post" is no contrast agent.
_BIDS_WHO = re.compile(r"(sub|ses)-[A-Za-z0-9]+_?")
_CONTRAST_WORD = re.compile(r"(?i)[es]?(t1|t2|pd|flair)")
_AGENTS = {"ce", "c", "gd", "gad", "gado", "post", "contrast", "w"}


@dataclass(frozen=True)
class Scan:
    """An image file, or the first file of a DICOM series.

    Parameters
    ----------
    path : Path
    contrast : str
    study : str
        DICOM study; "" for other files.
    """

    path: Path
    contrast: str
    study: str = ""

    @property
    def who(self) -> str:
        """What is left of the file's name without the words for its contrast."""
        stem = stem_of(self.path)
        if self.contrast not in MODALITIES:
            stem = _word_of(self.contrast).sub("", stem)
        words = re.split(r"[^A-Za-z0-9]+", stem)
        kept = []
        for word in words:
            if guess_modality(word):
                start = _CONTRAST_WORD.split(word)[0]
                word = "" if start == word else start
            if word and word.lower() not in _AGENTS:
                kept.append(word)
        return "-".join(kept)


@dataclass(frozen=True)
class Group:
    """Scans of one subject.

    Parameters
    ----------
    folder : Path
        They lie in.
    scans : sequence of Scan
    name, person : str
        Told by the file names; "" if only the folder tells who it is.
    """

    folder: Path
    scans: Sequence[Scan]
    name: str = ""
    person: str = ""

    @property
    def contrasts(self) -> set[str]:
        return {scan.contrast for scan in self.scans}


def find_groups(folder: Path, contrasts: Collection[str]) -> list[Group]:
    """Sort the scans of some contrasts in a folder by subject.

    A BIDS data set is divided by subject and session. Anything else is one subject if
    each contrast is there once, else one per folder in it, else by the names of the
    files without the words for their contrast. Of a contrast that is none of
    `io.MODALITIES` ("MR"), a file or its folder must bear the name.
    """
    scans = list(_scans_in(folder, contrasts))
    sessions: dict[tuple[str, str], list[Scan]] = {}
    for scan in scans:
        match = _BIDS.search(scan.path.relative_to(folder.parent).as_posix())
        if match:
            sessions.setdefault((match[1], match[2] or ""), []).append(scan)
    if sessions:
        return [
            Group(folder, found, "_".join(filter(None, key)), key[0])
            for key, found in sessions.items()
        ]
    return _divided(folder, scans) if scans else []


def all_scans(folder: Path, contrasts: Collection[str] | None) -> list[Scan]:
    """List the scans of some contrasts; all images, pictures too, if None."""
    return list(_scans_in(folder, contrasts))


def contrasts_in(folder: Path) -> tuple[str, ...]:
    """List the contrasts that the files in a folder say they are."""
    found = {scan.contrast for scan in all_scans(folder, MODALITIES)}
    return tuple(contrast for contrast in MODALITIES if contrast in found)


def person_of(scan: Scan, root: Path) -> str:
    """Say whose scan it is by its BIDS name or its folder in `root`; "" if unknown."""
    match = _BIDS.search(scan.path.relative_to(root.parent).as_posix())
    if match:
        return match[1]
    parts = scan.path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else ""


def apart(groups: Iterable[Group]) -> list[Group]:
    """Give each scan of what nothing divides into subjects to one of its own.

    A folder of MR and a folder of CT, each of many persons, for example.
    """
    result = []
    for group in groups:
        if group.person or not _has_twins(group.scans):
            result.append(group)
        else:
            result += [
                Group(group.folder, [scan], f"{scan.contrast}-{stem_of(scan.path)}")
                for scan in group.scans
            ]
    return result


def _divided(folder: Path, scans: Sequence[Scan]) -> list[Group]:
    whole = [Group(folder, scans)]
    children, direct = _by_child(folder, scans)
    if len(children) == 1 and not direct:
        return _divided(*next(iter(children.items())))
    if _is_one_study(scans):
        return whole
    own = [scan.contrast for scan in scans if scan.contrast not in MODALITIES]
    is_by_contrast = all(
        guess_modality(child.name) or _named(child.name, own) for child in children
    )
    if not _has_twins(scans) and (direct or is_by_contrast):
        return whole
    inner = [g for child, found in children.items() for g in _divided(child, found)]
    if direct:
        inner += _by_name(folder, direct) or [Group(folder, direct)]
    for groups in (inner, _by_name(folder, scans)):
        if any(len(group.contrasts) > 1 for group in groups):
            return groups
    # Folders with names of their own may be different persons.
    return whole if direct or is_by_contrast else inner


def _by_child(
    folder: Path, scans: Iterable[Scan]
) -> tuple[dict[Path, list[Scan]], list[Scan]]:
    """Sort scans by the folder in `folder` they are in, and those in none."""
    children: dict[Path, list[Scan]] = {}
    direct = []
    for scan in scans:
        child, *rest = scan.path.relative_to(folder).parts
        if rest:
            children.setdefault(folder / child, []).append(scan)
        else:
            direct.append(scan)
    return children, direct


def _by_name(folder: Path, scans: Iterable[Scan]) -> list[Group]:
    """Pair scans whose names differ by their contrast only; [] if there are no pairs.

    Plain names ("T1", "T2") beside longer ones ("T1_bet") are one subject.
    """
    names: dict[str, list[Scan]] = {}
    for scan in scans:
        names.setdefault(scan.who, []).append(scan)
    groups = [Group(folder, found, name) for name, found in names.items()]
    pairs = [group for group in groups if len(group.contrasts) > 1]
    return [] if any(not group.name for group in pairs) else pairs


def _has_twins(scans: Sequence[Scan]) -> bool:
    return len({scan.contrast for scan in scans}) < len(scans)


def _is_one_study(scans: Iterable[Scan]) -> bool:
    studies = {scan.study for scan in scans}
    return len(studies) == 1 and "" not in studies


def chosen(scans: Iterable[Scan]) -> tuple[Mapping[str, Path], tuple[str, ...]]:
    """Choose the scan of the shortest name for each contrast; name the others."""
    files: dict[str, Path] = {}
    notes = []
    for scan in sorted(scans, key=lambda s: (len(s.path.name), s.path)):
        used = files.setdefault(scan.contrast, scan.path)
        if used != scan.path:
            notes.append(
                f"Two {scan.contrast}: {used.name} is used, {scan.path.name} is not."
            )
    return files, tuple(notes)


def _scans_in(folder: Path, contrasts: Collection[str] | None) -> Iterator[Scan]:
    """Find real scans; masks and synthetic images are passed over.

    So are pictures, unless `contrasts` is None: every image then.
    """
    is_any = contrasts is None
    wanted = contrasts or ()
    dicom = []
    for path in _files(folder):
        reader = reader_of(path)
        if reader is read_dicom:
            dicom.append(path)
        elif (
            reader is None
            or _is_second_half(path)
            or (reader is read_raster and not is_any)
        ):
            continue
        elif not _NO_SCAN.search(stem_of(path)):
            contrast = _own_name(path, wanted) or _contrast_of(path)
            is_wanted = is_any or contrast in wanted
            if is_wanted and not read_sidecar(path).get("synthetic"):
                yield Scan(path, contrast)
    for series in list_series(dicom):
        contrast = _own_name(series.path, wanted) or series.modality
        is_wanted = is_any or contrast in wanted
        if is_wanted and not series.is_synthetic:
            yield Scan(series.path, contrast, series.study)


def _own_name(path: Path, wanted: Collection[str]) -> str:
    """Give the wanted contrast that only the name of a file or its folder can tell."""
    own = [contrast for contrast in wanted if contrast not in MODALITIES]
    return _named(stem_of(path), own) or _named(path.parent.name, own)


def _named(text: str, contrasts: Iterable[str]) -> str:
    return next((c for c in contrasts if _word_of(c).search(text)), "")


def _word_of(contrast: str) -> re.Pattern[str]:
    """Match a contrast as a word: "low-dose CT" is "scan_low-dose_ct_1" too."""
    words = re.split(r"[^A-Za-z0-9]+", contrast)
    pattern = "[-_ .]".join(re.escape(word) for word in words)
    return re.compile(rf"(?i)(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])")


def _contrast_of(path: Path) -> str:
    name = _BIDS_WHO.sub("", stem_of(path))
    return guess_modality(name) or source_of(path).modality


def _is_second_half(path: Path) -> bool:
    return path.name.lower().endswith((".img", ".img.gz"))


def _files(folder: Path) -> Iterator[Path]:
    """List files in order, into linked folders too, each folder once."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        if (real := Path(root).resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if f[0] != "." and f not in _SKIPPED)
        yield from (Path(root, name) for name in sorted(names) if name[0] != ".")
