"""The user's folder, the packs in it, and the providers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from napari_medsynth import catalogue
from napari_medsynth.errors import MedSynthError

from .findings import Finding, State


def examine_models() -> Iterator[Finding]:
    """Check the user's folder, the starter's weights, and all packs and providers."""
    yield _folder(catalogue.user_folder())
    cards = catalogue.list_cards()
    yield Finding("models", ", ".join(card.id for card in cards) or "none")
    yield _starter()
    for sentence in catalogue.problems():
        yield Finding(
            "model left out",
            sentence,
            State.warning,
            "Remove or replace that file or package, then: medsynth models list",
        )


def _folder(folder: Path) -> Finding:
    """Check that models can be imported."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK):
        return Finding("user folder", str(folder))
    fix = "Set MEDSYNTH_HOME to a folder that you may write to."
    return Finding("user folder", f"{folder} cannot be written", State.warning, fix)


def _starter() -> Finding:
    try:
        pack = catalogue.get_pack(catalogue.STARTER)
        pack.verify()
    except MedSynthError as err:
        fix = "pip install --force-reinstall --no-deps napari-medsynth"
        return Finding("starter model", str(err), State.bad, fix)
    return Finding("starter model", f"sha256 {pack.card.sha256[:12]}")
