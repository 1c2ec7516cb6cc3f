"""Stage: what a viewer shows during a comparison, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from ._arrangement import Arrangement, release_canvas, set_visible, take_canvas
from ._hanging import MAPS
from ._map_panes import MapPanes
from ._side_by_side import close_grid, open_grid, show_only
from ._turns import Turns

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from ._roles import Shown


class Stage(QObject):
    """Rearranges the layers of a viewer in small steps; `restore` undoes it all.

    Signals: `changed` when something was arranged or undone, `said` with a sentence,
    `taken` when another one is about to arrange the viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Not a proxy: thousands of attributes are read.
    """

    changed = Signal()
    said = Signal(str)
    taken = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._before: Arrangement | None = None
        self._panes: list[Shown] = []
        self._anatomy: Layer | None = None
        self._is_preparing = False
        self._maps = MapPanes(viewer, self)
        self._maps.ready.connect(self._on_ready)
        self._maps.said.connect(self.said)
        self._turns = Turns(self)
        self.has_grid = False

    @property
    def is_arranged(self) -> bool:
        """Whether there is something to undo."""
        return self._before is not None

    @property
    def is_busy(self) -> bool:
        """Whether it is still arranging."""
        return self._turns.is_busy or self._is_preparing

    def side_by_side(self, panes: Sequence[Shown], anatomy: Layer | None) -> None:
        """Show `panes` in grid cells, in this order, maps over `anatomy`."""
        if not panes:
            return
        self.hold()
        self.has_grid = True
        self._panes, self._anatomy = list(panes), anatomy
        self._is_preparing = True
        self._maps.prepare(self._pairs())

    def leave_only(self, layer: Layer) -> None:
        """Show `layer` in the whole canvas and no other image; labels stay."""
        self.hold()
        self.has_grid = False
        others = [x for x in self._viewer.layers if isinstance(x, Image) and x != layer]
        close = partial(close_grid, self._viewer)
        hide = partial(self._hide, others)
        self._turns.add([close, *self._maps.remove(), hide, self.changed.emit])

    def hold(self) -> None:
        """Take down how the viewer is now, unless that was done before."""
        self._turns.stop()
        self._is_preparing = False
        if self._before is None:
            take_canvas(self._viewer, self._give_back)
            self._before = Arrangement.of(self._viewer)
            self.changed.emit()

    def restore(self) -> None:
        """Show everything as it was before the first rearrangement."""
        steps = self._way_back()
        self.changed.emit()
        self._turns.add(steps)

    def restore_at_once(self) -> None:
        """Do it in one step, because there will be no next turn."""
        for step in self._way_back():
            step()

    def abandon(self) -> None:
        """Do nothing more by itself; `restore` still works."""
        release_canvas(self._viewer, self._give_back)
        self._turns.stop()
        self._maps.stop()

    def _give_back(self) -> None:
        self.taken.emit()
        self.restore_at_once()

    def _way_back(self) -> list[Callable[[], None]]:
        """Forget the first arrangement, and give the steps that lead back to it."""
        release_canvas(self._viewer, self._give_back)
        before, self._before = self._before, None
        self.has_grid = self._is_preparing = False
        self._turns.stop()
        if before is None:
            return []
        close = partial(close_grid, self._viewer)
        again = partial(before.restore, self._viewer)
        return [close, *self._maps.remove(), again, self.changed.emit]

    def _pairs(self) -> list[tuple[Image, Image]]:
        """Anatomy and map of each pane that is a map."""
        if not isinstance(self._anatomy, Image):
            return []
        maps = [pane.layer for pane in self._panes if pane.role in MAPS]
        return [(self._anatomy, x) for x in maps if isinstance(x, Image)]

    def _on_ready(self) -> None:
        if not self._is_preparing:
            return
        self._is_preparing = False
        steps = [partial(open_grid, self._viewer), self.changed.emit]
        self._turns.add([*self._maps.add(), self._show_panes, *steps])

    def _show_panes(self) -> None:
        """Order, show and name the panes; a map by the layer that paints it."""
        shown = []
        for pane in self._panes:
            painted = None
            if isinstance(self._anatomy, Image) and isinstance(pane.layer, Image):
                painted = self._maps.layer_of((self._anatomy, pane.layer))
            shown.append(pane.layer if painted is None else painted)
        show_only(self._viewer, shown)

    def _hide(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            set_visible(self._viewer, layer, False)
