"""What the README and docs/ say can be done."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typer

from napari_medsynth.cli.app import app
from napari_medsynth.training import job_from_json

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def blocks(language: str) -> list[pytest.param]:
    """List the code blocks of a language in all pages."""
    return [
        pytest.param(match[2], id=f"{page.relative_to(ROOT)}-{i}")
        for page in PAGES
        for i, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")))
        if match[1] == language
    ]


def lines_of(code: str) -> list[list[str]]:
    """Split shell code into commands and their words."""
    joined = code.replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in joined.splitlines()]


@pytest.mark.parametrize("code", blocks("sh"))
def test_make_targets_exist(code):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    called = [words[1] for words in lines_of(code) if words[:1] == ["make"]]
    assert [name for name in called if "=" not in name and name not in targets] == []


@pytest.mark.parametrize("code", blocks("sh"))
def test_medsynth_commands_exist(code):
    for words in lines_of(code):
        if "medsynth" not in words[:1]:
            continue
        command, rest = typer.main.get_command(app), words[1:]
        while children := getattr(command, "commands", None):
            command, rest = children[rest[0]], rest[1:]
        known = {option for one in command.params for option in one.opts}
        used = [word for word in rest if re.match("-[a-z-]", word)]
        assert [word for word in used if word not in known] == []


@pytest.mark.parametrize("code", blocks("python"))
def test_python_names_exist(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and "napari_medsynth" in node.module:
            module = import_module(node.module)
            assert [a.name for a in node.names if not hasattr(module, a.name)] == []


JOBS = [block for block in (*blocks("json"), *blocks("toml")) if "learn" in block[0][0]]


@pytest.mark.parametrize("code", JOBS)
def test_training_jobs_are_right(code):
    values = json.loads(code) if code.startswith("{") else tomllib.loads(code)
    assert job_from_json(values).id


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("picture", sorted((ROOT / "docs/images").glob("*.png")))
def test_pictures_are_small(picture):
    assert picture.stat().st_size < 400_000


def test_generated_pages_are_up_to_date():
    pages = runpy.run_path(str(ROOT / "scripts/model_pages.py"))["pages"]()
    now = {
        path: (ROOT / "docs" / path).read_text(encoding="utf-8")
        for path in pages
        if (ROOT / "docs" / path).is_file()
    }
    assert now == pages, "run: make model-pages"


def test_every_command_is_described():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for name in (
        "synthesize",
        "demo",
        "doctor",
        "evaluate",
        "finetune",
        "train",
        "models list",
    ):
        assert f"## medsynth {name}" in page


def test_changelog_has_a_place_for_the_next_change():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
