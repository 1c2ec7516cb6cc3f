"""Options that take several words: ``--inputs T1=a.nii.gz T2=b.nii.gz --target PD``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand


class WordsCommand(TyperCommand):
    """A command without arguments whose repeatable options take all following words.

    ``--inputs a b --target c`` means ``--inputs a --inputs b --target c``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat each such option before each of its words, and parse."""
        names = {
            name
            for parameter in self.params
            if getattr(parameter, "multiple", False)
            for name in parameter.opts
        }
        return super().parse_args(ctx, repeat_options(args, names))


def repeat_options(words: Sequence[str], names: Iterable[str]) -> list[str]:
    """Put each option of `names` before each of the words that follow it.

    A word that begins with "-" ends the list; after "--" nothing is touched.
    """
    names = set(names)
    repeated: list[str] = []
    option, has_word = "", False
    for i, word in enumerate(words):
        if word == "--":
            return repeated + list(words[i:])
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            option, has_word = (name if name in names else ""), bool(value)
            repeated.append(word)
        elif option and has_word:
            repeated += [option, word]
        else:
            has_word = True
            repeated.append(word)
    return repeated
