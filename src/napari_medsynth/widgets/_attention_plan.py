"""Plan: which cells of the Attention dock there are to be, and which layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._attention_ask import Ask
from ._attention_maps import Key

if TYPE_CHECKING:
    from napari.layers import Image

ANATOMY, MARKS = "anatomy", "marks"
_NARROW = 3  # cells; as many share the width


@dataclass(frozen=True, eq=False)
class Plan:
    """Which cells and layers there are to be.

    Parameters
    ----------
    cells : tuple of str
        Titles of models, and of a difference; at least one.
    asks : tuple of Ask
        Each is a map in every cell; the current one is among them.
    anatomy : Image
        The layer that is shown under the maps.
    place : mapping
        Arguments of ``add_image`` for its grid.
    is_side_by_side : bool
        False: no cells; the maps lie over the layers of the user, the first is shown.
    tops : mapping
        What stands at the top of a cell, if not its title.
    """

    cells: tuple[str, ...]
    asks: tuple[Ask, ...]
    anatomy: Image
    place: Mapping[str, Any]
    is_side_by_side: bool
    tops: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_tops(self) -> bool:
        """Whether the models stand at the top of the cells: not in the maps' names."""
        return self.is_side_by_side and len(self.cells) > 1

    @property
    def is_narrow(self) -> bool:
        """Whether cells are so narrow that captions must be short and small."""
        return self.is_side_by_side and len(self.cells) >= _NARROW

    def top(self, cell: str) -> str:
        """Give what stands at the top of a cell."""
        top = self.tops.get(cell, cell)
        return top if self.is_narrow else f"{top} over {self.anatomy.name}"

    def slots(self) -> list[Key]:
        """Give the keys of all layers, in the order of napari's list of layers."""
        first: list[str | int] = [ANATOMY] if self.is_side_by_side else []
        slots = [*first, *sorted(ask.number for ask in self.asks), MARKS]
        return [(cell, slot) for cell in self.cells for slot in slots]
