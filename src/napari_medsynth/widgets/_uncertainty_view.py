"""UncertaintyView: the maps of one choice, their layers, and the mask over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from ._trust_latest import Latest
from ._turns import single_shot
from ._uncertainty_layers import INTERVAL, MASK, MEAN, SPREAD, UncertaintyLayers
from ._uncertainty_maps import Maps, Marked, mark
from ._uncertainty_words import marked_sentence

if TYPE_CHECKING:
    from napari import Viewer

    from napari_medsynth.trust.calibration import Calibration
    from napari_medsynth.trust.uncertainty import Uncertainty, UncertaintyStep

    from ._request import Request

MARK_AFTER = 120  # ms that the slider must rest; the slice on the screen is at once


class UncertaintyView(QObject):
    """Fills maps and shows them; hatches in a worker what the slider says.

    It belongs to no widget.

    Attributes
    ----------
    marked : Signal(str)
        How much is not to be trusted, in words.
    failed : Signal(str)
        One sentence.
    """

    marked = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: Viewer, get_limit: Callable[[], float]) -> None:
        super().__init__()
        self._get_limit = get_limit
        self.maps: Maps = {}
        self.layers = UncertaintyLayers(viewer)
        self._marking = Latest()
        self._mark_timer = single_shot(self, MARK_AFTER, self.mark)
        self._marking.done.connect(self._on_marked)
        self._marking.failed.connect(self.failed)

    @property
    def is_busy(self) -> bool:
        """Whether something is hatched, or on its way to the screen."""
        works = (self._marking, self.layers)
        return self._mark_timer.isActive() or any(work.is_busy for work in works)

    def begin(
        self,
        request: Request,
        maps: Maps,
        calibrations: Mapping[str, Calibration | None],
        facts: dict[str, Any],
    ) -> None:
        """Fill these maps from now on; `facts` are ``method`` and ``n``."""
        self.stop()
        self.maps = maps
        for target, one in maps.items():
            one.calibrate(calibrations[target])
        self.layers.begin(request, maps, facts)

    def fill(self, step: UncertaintyStep, *, has_mean: bool) -> None:
        """Take slices that were just finished."""
        for target, one in self.maps.items():
            images = step.mean[target], step.spread[target]
            one.fill(step.slices, *images, self._get_limit())
        self.show(has_mean=has_mean)
        self.layers.refresh(step.slices)

    def show(self, *, has_mean: bool) -> None:
        """Add the layers that are missing, once something was run."""
        if any(one.known.any() for one in self.maps.values()):
            means = [MEAN] if has_mean else []
            self.layers.show([*means, SPREAD, INTERVAL, MASK])

    def finish(self, found: Uncertainty) -> None:
        """Take over what is known of the run that has ended."""
        self.layers.finish(found)
        self.mark()

    def recalibrate(
        self, known: Mapping[str, Calibration | None], *, has_mean: bool
    ) -> None:
        """Use calibrations that came after the run."""
        changed = [
            (one, known.get(target))
            for target, one in self.maps.items()
            if one.calibration != known.get(target)
        ]
        for one, calibration in changed:
            one.calibrate(calibration)
        if changed:
            self.show(has_mean=has_mean)
            self.mark()

    def follow_limit(self) -> None:
        """Hatch the slice on the screen at once, the others soon."""
        index = self.layers.shown_index()
        if index >= 0:
            for one in self.maps.values():
                one.mark_slice(index, self._get_limit())
            self.layers.refresh([index], [MASK])
        self._mark_timer.start()

    def mark(self) -> None:
        """Hatch all slices, in a worker."""
        if any(one.known.any() for one in self.maps.values()):
            self._marking.ask(mark, self.maps, self._get_limit())

    def stop(self) -> None:
        """Hatch no more: slices are going to change."""
        self._mark_timer.stop()
        self._marking.stop()

    def forget(self) -> None:
        """Let go of the maps; their layers stay in the viewer."""
        self.stop()
        self.maps = {}
        self.marked.emit("")

    def abandon(self, *_: Any) -> None:
        """Do nothing more, and leave the viewer alone."""
        with suppress(RuntimeError):  # Qt went first, at the end of the session
            self._mark_timer.stop()
        self._marking.abandon()
        self.layers.abandon()

    def _on_marked(self, found: Marked) -> None:
        is_old = found.maps is not self.maps or found.limit != self._get_limit()
        if is_old or self._mark_timer.isActive():
            return
        self.layers.mark(found.labels, found.limit)
        self.marked.emit(
            "\n".join(
                marked_sentence(target, self.maps[target], share, found.limit)
                for target, share in found.shares.items()
            )
        )
