"""Maps: which map is in which layer, and how it is drawn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ._arrangement import set_caption
from ._attention_ask import CURRENT, Ask
from ._attention_layers import dress, fill, top_of
from .parts.map_look_box import MapLook

if TYPE_CHECKING:
    from napari.layers import Layer

    from ._attention_jobs import Picture

_CAPTION = {"position": "bottom_left", "font_size": 8}

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

    def keep(self, keys: Collection[Key], asks: Collection[Ask]) -> None:
        """Forget the pictures of other layers, and draw in the colours of `asks`."""
        self._pictures = {k: p for k, p in self._pictures.items() if k in keys}
        self._asks = {ask.number: ask for ask in asks}
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
        for key in keys:
            set_caption(self._layers[key], **_CAPTION, visible=key == lowest)

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

    def _name(self, key: Key) -> None:
        if key not in self._layers:
            return
        picture = self._pictures[key]
        name = picture.caption
        name += f", pin {picture.number}" if picture.number != CURRENT else ""
        if picture.cell in self._grey:  # first: a narrow cell cuts off the end
            name = f"not honest, {self._grey[picture.cell]}: {name}"
        if self._layers[key].name != name:
            self._layers[key].name = name


def short_of(reason: str) -> str:
    """Give what a reason begins with, before a colon, for a caption."""
    short = reason.partition(":")[0].rstrip(".")
    return short[:1].lower() + short[1:]


def _are_same(a: Picture, b: Picture) -> bool:
    """Tell whether two pictures look the same: drawing costs more than comparing."""
    is_same = a.caption == b.caption and dict(a.place) == dict(b.place)
    return is_same and np.array_equal(a.volume.data, b.volume.data)
