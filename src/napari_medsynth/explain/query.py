"""Query: the place that is asked about, as weights of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_medsynth.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_medsynth.engine.prepared import Prepared


@dataclass(frozen=True, eq=False)
class Query:
    """A place on one slice.

    Parameters
    ----------
    pixels : ndarray of bool
        (h, w), the pixels of the slice that are asked about; at least one.

    Raises
    ------
    EngineError
        If no pixel is in it.
    """

    pixels: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not self.pixels.any():
            raise EngineError("Nothing to ask about: the place is outside the image.")

    def tokens(self, prepared: Prepared, grid: tuple[int, int]) -> NDArray[np.float32]:
        """Give the share of the place that lies in each token: (rows, columns), sum 1.

        Parameters
        ----------
        prepared : Prepared
            How the slice fits the network.
        grid : tuple of int
            Rows and columns of tokens.
        """
        shares = F.adaptive_avg_pool2d(self.on_network(prepared)[None], grid)[0]
        weights: NDArray[np.float32] = (shares / shares.sum()).numpy()
        return weights

    def on_network(self, prepared: Prepared) -> Tensor:
        """Give the place in the network's image: (H, W), 1 inside and 0 outside."""
        inside = torch.from_numpy(self.pixels.astype(np.float32))[None, None]
        # the frame pads with -1: so 1 is inside, -1 outside
        padded = prepared.frame.to_network(inside * 2 - 1)
        return ((padded[0, 0] + 1) / 2).clamp(0, 1)


def query_at(prepared: Prepared, row: float, column: float, radius: int = 0) -> Query:
    """Ask about the pixel at (row, column) of a slice, and those `radius` around it.

    Raises
    ------
    EngineError
        If it is outside the slice.
    """
    height, width = prepared.frame.size
    rows, columns = np.ogrid[:height, :width]
    near = np.maximum(abs(rows - round(row)), abs(columns - round(column))) <= radius
    is_inside = -0.5 <= row < height - 0.5 and -0.5 <= column < width - 0.5
    return Query(near & is_inside)
