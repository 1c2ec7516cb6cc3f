"""The house rules that no linter knows: import arrows, import budget, file sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

import napari_medsynth

PACKAGE = "napari_medsynth"
SOURCE = Path(napari_medsynth.__file__).parent
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))

# A part imports parts of the lines above its own, never of its own line or below.
LEVELS = (
    ("errors", "resources"),
    ("io", "catalogue", "models"),
    ("prepare", "simulate"),
    ("engine",),
    ("evaluate",),
    ("explain", "trust"),
    ("training",),
    ("doctor",),
    ("widgets",),
    ("demo",),
    ("cli",),
)
LEVEL = {part: i for i, parts in enumerate(LEVELS) for part in parts}
# Besides the levels: the command line works without Qt.
NEVER = {("cli", "widgets")}

# Third-party packages: parts that may import them anywhere / only inside functions.
QT = (
    *("PyQt5", "PyQt6", "PySide2", "PySide6"),
    *("magicgui", "pyqtgraph", "qtpy", "superqt", "vispy"),
)
ANYWHERE = {
    "torch": {"models", "engine", "explain", "trust", "training"},
    "scipy": {"prepare", "simulate", "engine", "evaluate", "explain", "trust"}
    | {"training"},
    "SimpleITK": {"prepare", "engine"},
    "napari": {"widgets"},
    **{binding: {"widgets"} for binding in QT},
}
IN_FUNCTIONS = {
    # The registry's build_model checks that it made a network.
    "torch": {"catalogue", "widgets", "doctor", "cli", "demo"},
    "scipy": {"io", "widgets", "demo", "doctor"},
    "SimpleITK": {"io", "training", "widgets", "doctor", "demo"},
    "pydicom": {"io", "doctor", "prepare"},
    "nibabel": {"io", "doctor", "prepare"},
    "napari": {"demo", "hooks", "doctor"},
    **{binding: {"demo", "doctor"} for binding in QT},
}
# What imports torch when it is imported: not at the top of a part without torch.
HEAVY_PARTS = {"models", "engine", "evaluate", "explain", "trust", "training"}
LIGHT_PARTS = {"io", "catalogue", "prepare", "simulate", "widgets", "cli", "demo"}
# ... but for these modules of them, which BUDGETS checks.
LIGHT_MODULES = (
    "evaluate.metric_names",
    "evaluate.windows",
    "explain.methods",
    "training.config",
    "training.events",
    "training.folder",
    "training.job",
    "trust.advice",
    "trust.calibration",
    "trust.site",
)

MAX_LINES, MAX_LINES_OF_A_MODEL, MAX_LINES_OF_A_FUNCTION = 300, 200, 40


class Import(NamedTuple):
    """One imported name: "torch.nn", "napari_medsynth.io.Volume"."""

    name: str
    line: int
    in_function: bool
    for_types: bool


def part_of(module: PurePosixPath) -> str:
    """Give the part of the package that a file belongs to: "io", "errors", ..."""
    return PurePosixPath(module.parts[0]).stem


def imports_of(source: str, module: PurePosixPath) -> Iterator[Import]:
    """List the imports of a file, relative ones made absolute."""

    def visit(node: ast.AST, in_function: bool, for_types: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, in_function, for_types)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = (PACKAGE, *module.parts)[: -node.level]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                yield Import(
                    f"{base}.{alias.name}", node.lineno, in_function, for_types
                )
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        in_function |= isinstance(node, functions)
        for_types |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, in_function, for_types)

    yield from visit(ast.parse(source), False, False)


def wrong_arrows(source: str, module: PurePosixPath) -> list[str]:
    """Name imports that point right, into private modules, or load torch too early."""
    part, wrong = part_of(module), []
    for found in imports_of(source, module):
        if not found.name.startswith(f"{PACKAGE}.") or part == "__init__":
            continue
        other, *rest = found.name.split(".")[1:]
        if other == part or other.startswith("__"):
            continue
        if LEVEL[other] >= LEVEL[part] or (part, other) in NEVER:
            wrong.append(f"{module}:{found.line}: {part} must not import {other}")
        if any(name.startswith("_") and not name.startswith("__") for name in rest):
            wrong.append(f"{module}:{found.line}: {found.name} is private")
        is_light = ".".join([other, *rest[:1]]) in LIGHT_MODULES
        is_early = not (found.in_function or found.for_types or is_light)
        if is_early and part in LIGHT_PARTS and other in HEAVY_PARTS:
            wrong.append(
                f"{module}:{found.line}: {other} imports torch: inside a function"
            )
    return wrong


def wrong_libraries(source: str, module: PurePosixPath) -> list[str]:
    """Name third-party imports in a part that is to do without them."""
    part, wrong = part_of(module), []
    parts = {part, "hooks"} if module.name.endswith("hooks.py") else {part}
    for found in imports_of(source, module):
        library = found.name.split(".")[0]
        if found.for_types or not (library in ANYWHERE or library in IN_FUNCTIONS):
            continue
        allowed = set(ANYWHERE.get(library, ()))
        if found.in_function:
            allowed |= IN_FUNCTIONS.get(library, set())
        if not parts & allowed:
            where = "here" if found.in_function else "at module level here"
            wrong.append(f"{module}:{found.line}: no {library} {where}")
    return wrong


def too_long(source: str, module: PurePosixPath) -> list[str]:
    """Name what is longer than a reader wants: the file, and bodies of functions."""
    limit = MAX_LINES_OF_A_MODEL if part_of(module) == "models" else MAX_LINES
    n_lines, wrong = len(source.splitlines()), []
    if n_lines > limit:
        wrong.append(f"{module}: {n_lines} lines, at most {limit}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if n_lines > MAX_LINES_OF_A_FUNCTION:
                wrong.append(
                    f"{module}:{node.lineno}: {node.name} has {n_lines} lines, "
                    f"at most {MAX_LINES_OF_A_FUNCTION}"
                )
    return wrong


RULES = (wrong_arrows, wrong_libraries, too_long)


@pytest.mark.parametrize("module", MODULES, ids=str)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_module_keeps_the_rule(rule, module):
    source = (SOURCE / module).read_text(encoding="utf-8")
    assert rule(source, PurePosixPath(module.as_posix())) == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_belongs_to_a_known_part(module):
    assert part_of(PurePosixPath(module.as_posix())) in {*LEVEL, "__init__"}


BROKEN = [
    (wrong_arrows, "io/x.py", "from napari_medsynth.engine import predict"),
    (wrong_arrows, "io/x.py", "def f():\n    import napari_medsynth.engine"),
    (wrong_arrows, "io/x.py", "from ..catalogue import ModelCard"),
    (wrong_arrows, "io/x.py", "from .. import engine"),
    (wrong_arrows, "engine/x.py", "from napari_medsynth.training import train"),
    (wrong_arrows, "models/blocks/x.py", "from ...engine import predict"),
    (wrong_arrows, "cli/x.py", "def f():\n    from napari_medsynth import widgets"),
    (wrong_arrows, "errors.py", "from .io import Volume"),
    (wrong_arrows, "engine/x.py", "from napari_medsynth.io.volume import _hidden"),
    (wrong_arrows, "demo.py", "def f():\n    from .widgets._layers import like"),
    (wrong_arrows, "widgets/x.py", "from napari_medsynth.engine import predict"),
    (wrong_arrows, "cli/x.py", "from napari_medsynth.training.loop import train"),
    (wrong_libraries, "io/x.py", "def f():\n    import torch"),
    (wrong_libraries, "io/x.py", "import SimpleITK as sitk"),
    (wrong_libraries, "io/x.py", "def f():\n    from napari.layers import Image"),
    (wrong_libraries, "io/hooks.py", "import napari"),
    (wrong_libraries, "catalogue/x.py", "from torch import nn"),
    (wrong_libraries, "simulate/x.py", "import torch"),
    (wrong_libraries, "engine/x.py", "from qtpy.QtWidgets import QWidget"),
    (wrong_libraries, "widgets/x.py", "import torch"),
    (wrong_libraries, "prepare/x.py", "import pydicom"),
    (too_long, "io/x.py", "a = 1\n" * 301),
    (too_long, "models/x.py", "a = 1\n" * 201),
    (too_long, "io/x.py", "def f():\n" + "    a = 1\n" * 41),
]


@pytest.mark.parametrize(("rule", "module", "source"), BROKEN)
def test_rule_finds_a_broken_module(rule, module, source):
    assert rule(source, PurePosixPath(module)) != []


KEPT = [
    (wrong_arrows, "engine/x.py", "from napari_medsynth.io import Volume"),
    (wrong_arrows, "io/x.py", "from .volume import Volume"),
    (wrong_arrows, "io/x.py", "from napari_medsynth.errors import VolumeError"),
    (wrong_arrows, "io/x.py", "from napari_medsynth import __version__"),
    (wrong_arrows, "widgets/x.py", "def f():\n    from napari_medsynth import engine"),
    (wrong_libraries, "io/hooks.py", "def f():\n    import napari"),
    (wrong_libraries, "io/x.py", "def f():\n    import SimpleITK"),
    (wrong_libraries, "io/x.py", "if TYPE_CHECKING:\n    import SimpleITK"),
    (wrong_libraries, "models/x.py", "from torch import nn"),
    (too_long, "io/x.py", 'def f():\n    """Do.' + "\n" * 60 + '"""\n    return 1'),
]


@pytest.mark.parametrize(("rule", "module", "source"), KEPT)
def test_rule_accepts_a_good_module(rule, module, source):
    assert rule(source, PurePosixPath(module)) == []


HEAVY = ("torch", "scipy", "SimpleITK", "pydicom", "nibabel", "skimage", "safetensors")
BUDGETS = [
    (PACKAGE, ("numpy", *HEAVY, "napari", "rich", *QT)),
    (f"{PACKAGE}.catalogue", ("numpy", *HEAVY, "napari", "rich", *QT)),
    (f"{PACKAGE}.io", (*HEAVY, "napari", *QT)),
    (f"{PACKAGE}.simulate", ("torch", "napari", *QT)),
    (f"{PACKAGE}.prepare", ("torch", "napari", *QT)),
    (f"{PACKAGE}.models", ("SimpleITK", "napari", *QT)),
    (f"{PACKAGE}.engine", ("napari", *QT)),
    (f"{PACKAGE}.cli", ("torch", "napari", *QT)),
    *((f"{PACKAGE}.{name}", ("torch", "scipy", *QT)) for name in LIGHT_MODULES),
    (f"{PACKAGE}.training.finetune", ("torch", *QT)),
    (f"{PACKAGE}.trust.passport", ("torch", "napari", *QT)),
    (f"{PACKAGE}.widgets.synthesize", ("torch",)),
    (f"{PACKAGE}.widgets.attention", ("torch", "captum")),
    (f"{PACKAGE}.widgets.finetune", ("torch", "pyqtgraph")),
    (f"{PACKAGE}.widgets.trust", ("torch", "pyqtgraph")),
]


@pytest.mark.parametrize(("module", "forbidden"), BUDGETS, ids=lambda x: str(x)[:40])
def test_import_stays_within_its_budget(module, forbidden):
    code = f"import {module}, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(run.stdout.split()) & set(forbidden) == set()
