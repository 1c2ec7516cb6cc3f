"""Write docs/reference/odd-files.md: what the readers say of every odd file.

python scripts/odd_files_page.py [folder of the shared data]
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/odd-files.md"
LYING_TAG = "is tagged CT but has no voxel below -100"
INTRO = """<!-- Written by scripts/odd_files_page.py -->

# Odd files

Files that are broken, or odd in a way that other software passes over in silence. Of
{n} such files, {load} open without a word, {warn} open with a warning, {refuse} are
refused, and {CRASH} crash. The table is what `python benchmarks/odd_files.py --all`
prints; the files are not part of the repository, but most tests in `tests/io` make
their own.

The DICOM files come from an MR series that is tagged CT. Its warning ("{tag}: these are
not Hounsfield units; check its modality.") is left out below.
"""


def main() -> None:
    """Try all odd files and write the page."""
    module = runpy.run_path(str(ROOT / "benchmarks/odd_files.py"))
    default = ROOT.parent / "shared"
    data = Path(sys.argv[1] if len(sys.argv) > 1 else default) / "data"
    rows = [
        module["try_file"](data / name, name, wanted)
        for name, wanted in module["odd_items"](data).items()
    ]
    outcomes = ("load", "warn", "refuse", "CRASH")
    count = {k: sum(row.outcome == k for row in rows) for k in outcomes}
    parts = [INTRO.format(n=len(rows), tag=LYING_TAG, **count)]
    for title, outcome in (("Opened with a warning", "warn"), ("Refused", "refuse")):
        lines = [
            f"| `{row.file.removeprefix('odd/')}` | {text} |"
            for row in rows
            if row.outcome == outcome and (text := sentences(row.sentence))
        ]
        table = ["| file | what is said |", "| --- | --- |", *lines]
        parts.append(f"## {title}\n\n" + "\n".join(table) + "\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(PAGE)


def sentences(text: str) -> str:
    """Drop the warning that all files of the lying series have."""
    start = text.find(LYING_TAG)
    if start < 0:
        return text.replace("|", "\\|")
    before = text[:start].rstrip().rpartition(" ")[0]  # without the file's name
    after = text[start:].partition("check its modality.")[2]
    return f"{before.strip()} {after.strip()}".strip().replace("|", "\\|")


if __name__ == "__main__":
    main()
