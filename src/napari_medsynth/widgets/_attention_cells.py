"""AttentionCells: one cell per model with anatomy, maps and marks, side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._arrangement import (
    Arrangement,
    put_in_order,
    release_canvas,
    set_caption,
    set_grid,
    set_visible,
    take_canvas,
)
from ._attention_ask import Ask
from ._attention_layers import anatomy_layer, map_layer, mark, marks_layer
from ._attention_maps import Key, Maps
from ._attention_plan import ANATOMY, MARKS, Plan
from ._layers import unique_name
from ._turns import Turns
from .parts.map_look_box import MapLook

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from ._attention_jobs import Picture

_LINKED = ("contrast_limits", "gamma", "colormap")
_IN_ONE_ROW, _SPACING = 3, 4  # cells, pixels
_TOP_SIZES = {False: 9, True: 8}  # of the font; in narrow cells


class AttentionCells(QObject):
    """Makes the layers of a `Plan`, one per turn of the event loop, and fills them.

    napari puts the next `stride` layers of its list into each cell of its grid, hidden
    ones included: so ours come first, the same number for every cell. Those of the
    user are hidden meanwhile; `close` shows them again. Cells take a second to make:
    until they are there, the first map lies over the layers of the user.

    Signals: `lost` when someone has removed one of our layers, or arranges the viewer.
    """

    lost = Signal()

    def __init__(self, viewer: Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._plan: Plan | None = None
        self._before: Arrangement | None = None
        self._selection: set[Layer] | None = None
        self._is_busy = False  # with the list of layers
        self._is_early = False  # cells are yet to come
        self.layers: dict[Key, Layer] = {}
        self._maps = Maps(self.layers)
        self.look = MapLook()
        self._turns = Turns(self)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def is_open(self) -> bool:
        """Whether something is shown, or about to be."""
        return self._plan is not None

    @property
    def is_settled(self) -> bool:
        """Whether all layers are where they belong."""
        wanted = self._plan.slots() if self._plan else []
        return set(wanted) == set(self.layers) and not self._turns.is_busy

    def show(self, plan: Plan) -> None:
        """Have the cells of `plan`; what is there already stays."""
        before, self._plan = self._plan, plan
        if self._before is None:
            take_canvas(self._viewer, self._give_back)
            grid = self._viewer.canvas.grid
            self._is_early = plan.is_side_by_side and not grid.enabled
        keys = plan.slots()
        surplus = [key for key in self.layers if key not in keys]
        if before is not None and before.anatomy != plan.anatomy:
            surplus += [key for key in self.layers if key[1] == ANATOMY]
        is_new = before is None or before.is_side_by_side != plan.is_side_by_side
        if self._before is None:
            self._before = Arrangement.of(self._viewer)
        elif is_new:
            self._before.restore(self._viewer)
        self._maps.keep(plan)
        missing = [key for key in keys if key not in self.layers or key in surplus]
        if surplus or missing or is_new or self._turns.is_busy:
            self._turns.stop()
            self._turns.add(self._steps(plan, dict.fromkeys(surplus), missing))
        self.mark(plan.asks)

    def draw(self, picture: Picture) -> None:
        """Show a map in its cell."""
        key = self._maps.show(picture)
        if self._is_early or self.is_settled:
            self._show_layer(key)

    def mark(self, asks: Collection[Ask]) -> None:
        """Draw where is asked, in all cells."""
        if self._plan is not None:
            for (_, slot), layer in self.layers.items():
                if slot == MARKS:
                    mark(layer, asks, self._plan.place)

    def clear(self, cell: str, number: int) -> None:
        """Show no map for an ask in a cell, because there is none."""
        self._maps.forget((cell, number))
        self._show_layer((cell, number))

    def clear_all(self) -> None:
        """Show no map at all."""
        for cell, slot in list(self.layers):
            if isinstance(slot, int):
                self.clear(cell, slot)

    def set_look(self, look: MapLook) -> None:
        """Draw all maps like this."""
        self.look = look
        self._maps.set_look(look)

    def set_grey(self, reasons: Mapping[str, str]) -> None:
        """Grey the maps of these cells, and say why: they failed the honesty test."""
        self._maps.set_grey(reasons)

    def close(self) -> None:
        """Take our layers away and show what was shown before."""
        self._turns.stop()
        self._plan, self._is_early = None, False
        self._maps.keep(None)
        self._turns.add([partial(self._remove, list(self.layers)), self._restore])

    def _give_back(self) -> None:
        """Show what was shown before, at once; our layers go in the next turn.

        In one turn, both crash vispy's next drawing.
        """
        self._restore()
        self.close()
        self.lost.emit()

    def abandon(self) -> None:
        """Do nothing more: the viewer is going away."""
        release_canvas(self._viewer, self._give_back)
        self._turns.stop()
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)

    def _steps(
        self, plan: Plan, surplus: Collection[Key], missing: list[Key]
    ) -> Iterator[Callable[[], None]]:
        """Give the turns that lead to a plan; what answers the user comes first."""
        if surplus:
            yield partial(self._remove, surplus)
        cell = plan.cells[0]
        asked = [(cell, ask.number) for ask in plan.asks]
        early = [*asked, (cell, MARKS)] if self._is_early else []
        keys = [key for key in early if key in missing]
        for key in dict.fromkeys([*keys, *missing]):
            yield partial(self._add, key)
        yield self._open
        for key in plan.slots():
            yield partial(self._show_layer, key)
        yield self._show_grid
        yield self._finish

    # Each of these is one turn of the event loop

    def _add(self, key: Key) -> None:
        plan = self._plan
        if plan is None or key in self.layers:
            return
        if self._selection is None:
            self._selection = set(self._viewer.layers.selection)
        layer = self._make(plan, *key)
        layer.name = unique_name(self._viewer, layer.name)
        self.layers[key] = layer
        is_below = self._is_early and key[1] == ANATOMY
        self._viewer.layers.insert(0 if is_below else len(self._viewer.layers), layer)
        if key[1] == ANATOMY:
            self._viewer.layers.link_layers([plan.anatomy, layer], _LINKED)
        elif key[1] == MARKS:
            mark(layer, plan.asks, plan.place)
        self._maps.fill(key)
        if self._is_early:
            self._show_layer(key)

    def _make(self, plan: Plan, cell: str, slot: str | int) -> Layer:
        if slot == ANATOMY:
            return anatomy_layer(plan.anatomy, plan.top(cell))
        if slot == MARKS:
            return marks_layer(plan.place, f"{cell}: queries")
        return map_layer(plan.place, f"{cell}: attention")

    def _remove(self, keys: Iterable[Key]) -> None:
        """Remove layers at once: napari collects garbage, 0.2 s, after each removal."""
        gone = [self.layers.pop(key) for key in list(keys) if key in self.layers]
        present = self._viewer.layers
        gone = [layer for layer in gone if layer in present]
        if not gone:
            return
        self._is_busy = True
        try:
            with present.batched_update():
                for layer in gone:
                    present.remove(layer)
        finally:
            self._is_busy = False

    def _restore(self) -> None:
        """Show the layers as they were before, ours being gone.

        Hidden instead, in a grid that is closed then, they crash vispy's next drawing.
        """
        release_canvas(self._viewer, self._give_back)
        before, self._before = self._before, None
        if before is not None:
            before.restore(self._viewer)

    def _open(self) -> None:
        """Bring our layers into the order that the grid needs; hide all others."""
        self._is_early = False
        plan = self._plan
        if plan is None or self._before is None or not plan.is_side_by_side:
            return
        ours = [self.layers.get(key) for key in plan.slots()]
        put_in_order(self._viewer, [layer for layer in ours if layer is not None])
        for layer in self._before.layers:
            set_visible(self._viewer, layer, False)

    def _show_grid(self) -> None:
        plan, grid = self._plan, self._viewer.canvas.grid
        if plan is None or not plan.is_side_by_side:
            return
        n_cells = len(plan.cells)
        shape = (1, n_cells) if n_cells <= _IN_ONE_ROW else (-1, -1)
        is_new = not grid.enabled or tuple(grid.shape) != shape
        stride = len(plan.slots()) // n_cells
        set_grid(
            self._viewer, stride=stride, shape=shape, spacing=_SPACING, enabled=True
        )
        if is_new and self.layers:  # also maps: alone, a 2D anatomy fails in napari
            self._viewer.fit_to_view(layers=list(self.layers.values()), margin=0.02)

    # What may be done at any time

    def _show_layer(self, key: Key) -> None:
        plan = self._plan
        if plan is None or key not in self.layers:
            return
        has_cell = plan.is_side_by_side and not self._is_early
        is_shown = has_cell or key[0] == plan.cells[0]
        if isinstance(key[1], int):
            is_shown = is_shown and key in self._maps
            self._maps.caption(key[0])
        elif key[1] == ANATOMY:
            self._write_top(key, plan)
        set_visible(self._viewer, self.layers[key], is_shown)

    def _write_top(self, key: Key, plan: Plan) -> None:
        layer, top = self.layers[key], plan.top(key[0])
        if layer.name != top and not layer.name.startswith(f"{top} ["):  # in use
            layer.name = top
        size = _TOP_SIZES[plan.is_narrow]
        set_caption(layer, position="top_left", font_size=size, visible=True)

    def _finish(self) -> None:
        """Show what has come meanwhile, and select what was selected."""
        for key in self.layers:
            self._show_layer(key)
        chosen, self._selection = self._selection, None
        if chosen is not None:
            present = self._viewer.layers
            present.selection = {layer for layer in chosen if layer in present}

    def _on_layer_removed(self, event: Any) -> None:
        if not self._is_busy and event.value in self.layers.values():
            self.lost.emit()
