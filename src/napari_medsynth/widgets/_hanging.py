"""The order in which radiologists hang images, and the grid that shows them largest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ._roles import Role, Shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PANES = (
    Role.SOURCE,
    Role.SYNTHESIS,
    Role.TRUTH,
    Role.DIFFERENCE,
    Role.ATTENTION,
    Role.TRUST,
)
MAPS = (Role.ATTENTION, Role.TRUST)  # mean something only over anatomy
_CONTRASTS = ("T1", "T1ce", "T2", "PD", "FLAIR")  # others come after
_RESULTS = (Role.SYNTHESIS, Role.TRUTH, *PANES[3:])


def hang(shown: Iterable[Shown]) -> list[Shown]:
    """Sort what can be a pane: sources first, then what each model made.

    Sources go T1, T1ce, T2, PD, FLAIR, others. Then, model by model: synthesis, truth
    (once, with the first model that made its contrast), difference, attention, trust.
    What is the same by that stays in the order of the layers; other roles are left out.
    """
    panes = [pane for pane in shown if pane.role in PANES]
    models = [pane.model for pane in panes if pane.role is Role.SYNTHESIS]
    models += [pane.model for pane in panes if pane.role in _RESULTS[2:]]
    rank = {model: n for n, model in reversed(list(enumerate(models)))}

    def key(pane: Shown) -> tuple[int, ...]:
        if pane.role is Role.SOURCE:
            return 0, _contrast(pane.modality)
        model = pane.model
        if pane.role is Role.TRUTH:
            model = _first_maker(panes, pane.modality)
        role = _RESULTS.index(pane.role)
        return 1, rank.get(model, len(rank)), role, _contrast(pane.modality)

    return sorted(panes, key=key)


def grid_shape(
    n: int, canvas: Sequence[float], extent: Sequence[float] | NDArray[np.float64]
) -> tuple[int, int]:
    """Give the rows and columns that show `n` images largest.

    Parameters
    ----------
    n : int
        At least 1.
    canvas, extent : (height, width)
        Of the canvas [pixels] and of one image [any unit].
    """
    shapes = [(-(-n // columns), columns) for columns in range(1, n + 1)]
    return max(shapes, key=lambda shape: zoom_of(shape, canvas, extent))


def zoom_of(
    shape: Sequence[int],
    canvas: Sequence[float],
    extent: Sequence[float] | NDArray[np.float64],
) -> float:
    """Give the pixels per unit at which an image fills a cell of a grid."""
    return float(min(canvas[i] / shape[i] / max(extent[i], 1e-9) for i in range(2)))


def _contrast(modality: str) -> int:
    return _CONTRASTS.index(modality) if modality in _CONTRASTS else len(_CONTRASTS)


def _first_maker(panes: Iterable[Shown], modality: str) -> str:
    made = (p for p in panes if p.role is Role.SYNTHESIS and p.modality == modality)
    first = next(made, None)
    return first.model if first is not None else ""
