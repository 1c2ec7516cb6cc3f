"""The pages about models say what is: the example of a model, the table of files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_medsynth.models.layout import all_layouts

ROOT = Path(__file__).parents[1]
HOW_TO = ROOT / "docs" / "how-to"
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILES = (
    "src/napari_medsynth/models/srcnn.py",
    "resources/cards/srcnn.toml",
    "tests/models/test_srcnn.py",
)


def stripped(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def test_code_of_the_example_is_that_of_the_repository():
    page = (HOW_TO / "add-a-model.md").read_text(encoding="utf-8")
    sources = [stripped((ROOT / name).read_text(encoding="utf-8")) for name in FILES]
    blocks = [code for kind, code in FENCE.findall(page) if kind != "sh"]

    assert len(blocks) == 4
    for code in blocks:
        parts = re.split(r"\n\n\n", code)  # left out in between
        for part in parts:
            assert any(stripped(part) in source for source in sources), part
    assert all(name in page for name in FILES)


@pytest.mark.parametrize("layout", list(all_layouts()), ids=lambda layout: layout.name)
def test_table_of_files_names_every_layout_and_its_card(layout):
    page = (HOW_TO / "import-official-weights.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("|")]

    found = [row for row in rows if f"`{layout.name}`" in row]

    assert len(found) == 1, "each layout has one row"
    if layout.refused:
        assert "refused" in found[0]
    else:
        assert f"`{layout.card}`" in found[0]


def test_table_of_files_names_nothing_else():
    page = (HOW_TO / "import-official-weights.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)

    assert set(rows) - {"ResViT"} <= {layout.name for layout in all_layouts()}
