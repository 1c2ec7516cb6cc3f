"""The command line: every action of the widgets, without Qt."""

from .app import main

__all__ = ["main"]
