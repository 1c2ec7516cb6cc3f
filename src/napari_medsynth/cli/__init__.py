"""The command line: every action of the widgets, without Qt."""

from __future__ import annotations

import sys
from collections.abc import Sequence

FAILED, INTERRUPTED = 1, 130

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``medsynth`` and exit.

    Exit codes: 0 done; 1 refused, with one sentence on stderr; 2 wrong usage; 130
    interrupted.
    """
    try:
        from napari_medsynth.errors import MedSynthError

        from ._console import fail
        from .app import app  # Ctrl-C while this imports counts too

        try:
            app(args=arguments, prog_name="medsynth")
        except MedSynthError as err:
            fail(str(err))
            sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
