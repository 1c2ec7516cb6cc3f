"""Maps: which map is in which layer, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ._arrangement import set_caption
from ._attention_ask import CURRENT, Ask
from ._attention_captions import elided, short_of
from ._attention_layers import dress, fill, top_of
from .parts.map_look_box import MapLook

if TYPE_CHECKING:
    from napari.layers import Layer

    from ._attention_jobs import Picture
    from ._attention_plan import Plan

_LONGEST = 33  # characters that fit into a third of the canvas
_SIZES = {False: 8, True: 7}  # of the font; in narrow cells

Key = tuple[str, str | int]  # cell; "anatomy", "marks" or the number of an ask


class Maps:
    """Puts pictures into layers.

    Parameters
    ----------
    layers : mapping
        The layers of all cells; it may change, and lack those of known pictures.
    """

    def __init__(self, layers: Mapping[Key, Layer]) -> None:
        self._layers = layers
        self._pictures: dict[Key, Picture] = {}
        self._asks: dict[int, Ask] = {}
        self._grey: dict[str, str] = {}
        self._look = MapLook()
        self._plan: Plan | None = None

    def __contains__(self, key: object) -> bool:
        return key in self._pictures

    def show(self, picture: Picture) -> Key:
        """Draw a map, in the same range of colours as its fellows."""
        key = (picture.cell, picture.number)
        known, self._pictures[key] = self._pictures.get(key), picture
        if known is None or not _are_same(known, picture):
            self.fill(key)
        return key

    def fill(self, key: Key) -> None:
        """Draw a map into its layer, if both are there."""
        if key in self._layers and key in self._pictures:
            fill(self._layers[key], self._pictures[key])
            self._name(key)
            self.dress(self._pictures[key].number)

    def keep(self, plan: Plan | None) -> None:
        """Forget the pictures of layers that are not in `plan`; draw the others so."""
        keys = plan.slots() if plan else []
        self._plan = plan
        self._pictures = {k: p for k, p in self._pictures.items() if k in keys}
        self._asks = {ask.number: ask for ask in plan.asks} if plan else {}
        for key in self._pictures:
            self._name(key)
        self.dress()

    def forget(self, key: Key) -> None:
        """Have no picture of a layer any more."""
        self._pictures.pop(key, None)

    def set_look(self, look: MapLook) -> None:
        """Draw all maps like this."""
        self._look = look
        self.dress()

    def set_grey(self, reasons: Mapping[str, str]) -> None:
        """Grey the maps of these cells, and say why: they failed the honesty test.

        Of a reason, what is before a colon is said.
        """
        self._grey = {cell: short_of(why) for cell, why in reasons.items()}
        for key in self._pictures:
            self._name(key)
        self.dress()

    def caption(self, cell: str) -> None:
        """Write the name of one map into its cell: the current, or the first pin."""
        keys = [key for key in self._pictures if key[0] == cell and key in self._layers]
        lowest = min(keys, key=lambda key: self._pictures[key].number, default=None)
        look = {"position": "bottom_left", "font_size": _SIZES[self._is_narrow()]}
        for key in keys:
            set_caption(self._layers[key], **look, visible=key == lowest)

    def dress(self, number: int | None = None) -> None:
        """Colour the maps of one ask, or all; the range of one concerns its fellows."""
        for ask in self._asks.values():
            if number in (None, ask.number):
                self._dress(ask)

    def _dress(self, ask: Ask) -> None:
        shown = {k: p for k, p in self._pictures.items() if k[1] == ask.number}
        tops = {key: top_of(picture) for key, picture in shown.items()}
        apart = self._apart()
        common = max((tops[key] for key in shown if key[0] not in apart), default=1.0)
        for key, picture in shown.items():
            if key not in self._layers:
                continue
            is_common = self._look.is_common and key[0] not in apart
            dress(
                self._layers[key],
                picture,
                self._look,
                ask,
                top=common if is_common else tops[key],
                is_grey=picture.cell in self._grey,
            )

    def _apart(self) -> set[str]:
        """Cells whose values are of another kind: differences."""
        return {p.cell for p in self._pictures.values() if p.is_difference}

    def _is_narrow(self) -> bool:
        return self._plan is not None and self._plan.is_narrow

    def _name(self, key: Key) -> None:
        if key not in self._layers:
            return
        picture = self._pictures[key]
        has_top = self._plan is not None and self._plan.has_tops
        name = (has_top and picture.short) or picture.caption
        name += f", pin {picture.number}" if picture.number != CURRENT else ""
        if picture.cell in self._grey:  # first: a narrow cell cuts off the end
            why = "" if has_top else f", {self._grey[picture.cell]}"
            name = f"not honest{why}: {name}"
        name = elided(name, _LONGEST) if self._is_narrow() else name
        if self._layers[key].name != name:
            self._layers[key].name = name


def _are_same(a: Picture, b: Picture) -> bool:
    """Tell whether two pictures look the same: drawing costs more than comparing."""
    is_same = a.caption == b.caption and dict(a.place) == dict(b.place)
    return is_same and np.array_equal(a.volume.data, b.volume.data)
