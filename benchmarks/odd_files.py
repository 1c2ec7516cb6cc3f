"""What the readers do with every odd file of the shared data: a table, an exit code.

    python benchmarks/odd_files.py [folder of the shared data] [--all]

Each file must open, open with a sentence, or be refused with a sentence, as
``data/odd/expected.json`` and ``data/README.md`` want. Without ``--all`` only the rows
that are not as wanted are printed, and the counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from napari_medsynth.errors import MedSynthError
from napari_medsynth.io import read_study, read_volumes

SLOWEST = 20.0

OPENS = {"load", "warn"}
# Action of expected.json -> outcomes that are as wanted.
ALLOWED = {
    "load": OPENS,
    "load_convert": OPENS,
    "load_or_ask": OPENS | {"refuse"},
    "load_or_reject": OPENS | {"refuse"},
    "load_warn": {"warn"},
    "warn": {"warn"},
    "reject": {"refuse"},
    "reject_or_ask": {"refuse"},
    "reject_or_convert": {"warn", "refuse"},
    "reject_or_magnitude": {"warn", "refuse"},
    "reject_or_warn": {"warn", "refuse"},
    "warn_or_reject": {"warn", "refuse"},
}
# Real data that data/README.md describes as odd; all other real data must open.
REAL = {
    "brain/ms_lesjak_p07/lesion_mask.nii.gz": "warn",
    "cxr/gdcm-CR-MONO1-10-chest.dcm": "load_warn",
    "dicom/bits_dcm_qa_12bit": "load_warn",
    "dicom/odd_dicom2nifti/gantry_tilt_ct": "warn_or_reject",
    "dicom/odd_dicom2nifti/mixed_orientation_mr": "warn_or_reject",
    "dicom/odd_dicom2nifti/two_slices_mr": "warn_or_reject",
    "dicom/odd_pydicom_data/HTJ2KLossless_08_RGB.dcm": "reject_or_convert",
    "dicom/odd_pydicom_data/SC_rgb_16bit.dcm": "reject_or_convert",
    "dicom/odd_pydicom_data/bad_sequence.dcm": "load_or_reject",
    "dicom/odd_pydicom_data/liver.dcm": "reject",
    "dicom/t1_head_torchio_17slices": "load_warn",
    "dicom/transfer_syntaxes_dcm_qa_ts": "load_warn",
    "formats/complex.nii.gz": "reject_or_magnitude",
    "formats/ct_perfusion.nii.gz": "reject_or_convert",
    "formats/labels256.nii.gz": "load_warn",
    "formats/low_res.nii.gz": "load_warn",
    "formats/shear.nii.gz": "load_warn",
}
NOT_IMAGES = {".md", ".txt", ".sh", ".par", ".rec", ".gz", ".json"}
REAL_FOLDERS = ("brain", "ct", "cxr", "dicom", "formats", "mr_body")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    file: str
    wanted: str
    outcome: str
    sentence: str
    seconds: float
    n_volumes: int = 0

    @property
    def line(self) -> str:
        done = f"{self.outcome}: {self.sentence}" if self.sentence else self.outcome
        verdict = "yes" if self.is_ok else "NO"
        return f"| {self.file} | {self.wanted} | {done} | {verdict} |"

    @property
    def is_ok(self) -> bool:
        return self.outcome in ALLOWED[self.wanted] and self.seconds < SLOWEST


def try_file(path: Path, name: str, wanted: str) -> Row:
    """Open `path` as a user would; any error that is not ours is a finding."""
    start = time.perf_counter()
    sentences: list[str] = []
    n_volumes = 0
    try:
        if "mismatch_T2" in name:  # odd only beside its T1
            reference = path.with_name("ref_int16.nii.gz")
            sentences += read_study({"T1": reference, "T2": path}).notes
        volumes = read_volumes(path)
        n_volumes = len(volumes)
        sentences += [s for v in volumes for s in v.warnings]
        outcome = "warn" if sentences else "load"
    except MedSynthError as err:
        outcome, sentences = "refuse", [str(err)]
    except Exception as err:  # noqa: BLE001 - that is what is looked for
        outcome, sentences = "CRASH", [f"{type(err).__name__}: {err}"]
    seconds = time.perf_counter() - start
    sentence = " ".join(dict.fromkeys(sentences))
    return Row(name, wanted, outcome, sentence, seconds, n_volumes)


def odd_items(data: Path) -> dict[str, str]:
    """Path below `data` -> wanted action, of every item of expected.json."""
    expected = json.loads((data / "odd/expected.json").read_text(encoding="utf-8"))
    items = next(v for v in expected.values() if isinstance(v, dict))
    return {f"odd/{name.rstrip('/')}": item["action"] for name, item in items.items()}


def real_items(data: Path) -> dict[str, str]:
    """Path below `data` -> wanted action, of every other file, and of DICOM folders."""
    items = {}
    for path in sorted(p for top in REAL_FOLDERS for p in (data / top).rglob("*")):
        name = path.relative_to(data).as_posix()
        if path.is_file():
            is_picture = not _is_no_image(path)
            folder = Path(name).parent.as_posix()
            default = REAL.get(folder, "load") if is_picture else "reject"
            items[name] = REAL.get(name, default)
        elif any(p.suffix == ".dcm" or "CT.1" in p.name for p in path.iterdir()):
            items[name] = REAL.get(name, "load")
    return items


def _is_no_image(path: Path) -> bool:
    is_raw_half = path.name.endswith(".raw.gz")
    is_nifti = path.name.endswith(".nii.gz")
    return is_raw_half or (path.suffix.lower() in NOT_IMAGES and not is_nifti)


def main(arguments: list[str]) -> int:
    """Print the table; 1 if any row is not as wanted."""
    show_all = "--all" in arguments
    places = [a for a in arguments if not a.startswith("--")]
    default = Path(__file__).resolve().parents[2] / "shared"
    data = Path(places[0] if places else default) / "data"
    if not data.is_dir():
        print(f"No shared data at {data}; give its folder.")
        return 2
    rows = [
        try_file(data / name, name, wanted)
        for name, wanted in {**odd_items(data), **real_items(data)}.items()
    ]
    print("| file | wanted | what we do | ok |\n| --- | --- | --- | --- |")
    for row in rows:
        if show_all or not row.is_ok:
            print(row.line)
    counts = Counter(row.outcome for row in rows)
    slowest = max(rows, key=lambda row: row.seconds)
    n_bad = sum(not row.is_ok for row in rows)
    print(f"\n{len(rows)} items: {dict(counts)}; {n_bad} not as wanted.")
    print(f"Slowest: {slowest.file}, {slowest.seconds:.1f} s.")
    return int(n_bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
