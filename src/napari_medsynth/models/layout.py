"""Layout: how a published checkpoint spells the weights of one of our networks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from torch import Tensor

State = Mapping[str, Tensor]


def _nothing(state: State) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Layout:
    """One spelling of the weights of one network.

    Every model file may have some, as ``LAYOUTS``; the import of checkpoints tries all.

    Parameters
    ----------
    name : str
        Whose files look like this: "EDSR-PyTorch".
    card : str
        Id of the blueprint that such a file fills.
    marks : tuple of str
        Regular expressions; each must match a whole key of the file.
    unless : tuple of str
        Regular expressions; none may match a whole key of the file.
    rules : tuple of (str, str)
        Regular expressions and what they become, applied to every key in this order.
    drop : tuple of str
        Regular expressions of whole keys that are left out.
    options : callable
        Give, for a state dict in the file's spelling, the options of the factory that
        follow from its shapes: widths, depths, scale, channels.
    changes : callable
        Give the fields of the card that follow from it: value_range, is_rgb, scale.
    refused : str
        What to say if such files cannot be used; "" if they can.
    """

    name: str
    card: str
    marks: tuple[str, ...]
    rules: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    options: Callable[[State], dict[str, Any]] = _nothing
    changes: Callable[[State], dict[str, Any]] = _nothing
    refused: str = field(default="")
    unless: tuple[str, ...] = ()

    def fits(self, state: State) -> bool:
        """Tell whether all marks are found among the keys, and none of `unless`."""

        def has(pattern: str) -> bool:
            return any(re.fullmatch(pattern, key) for key in state)

        return all(map(has, self.marks)) and not any(map(has, self.unless))

    def renamed(self, state: State) -> dict[str, Tensor]:
        """Give the tensors under our keys."""
        kept = {
            key: tensor
            for key, tensor in state.items()
            if not any(re.fullmatch(one, key) for one in self.drop)
        }
        return {self.key_of(key): tensor for key, tensor in kept.items()}

    def key_of(self, key: str) -> str:
        """Give our spelling of a key."""
        for pattern, replacement in self.rules:
            key = re.sub(pattern, replacement, key)
        return key


def all_layouts() -> Iterator[Layout]:
    """Give the layouts of all our model files."""
    package = import_module("napari_medsynth.models")
    for module in iter_modules(package.__path__):
        if not module.ispkg and module.name != "layout":
            yield from getattr(
                import_module(f"{package.__name__}.{module.name}"), "LAYOUTS", ()
            )
