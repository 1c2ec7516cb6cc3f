"""ImagePool: earlier results that a critic is shown again."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


class ImagePool:
    """Remember images, and give older ones in the place of new ones [1]_.

    Parameters
    ----------
    size : int
        How many; 0 gives every image back as it came.

    Notes
    -----
    Image by image: until the pool is full, the new one is kept and given; after that,
    with a probability of a half, a random kept one is given and the new one takes its
    place, else the new one is given and forgotten.

    References
    ----------
    .. [1] J.-Y. Zhu et al., "Unpaired image-to-image translation using
       cycle-consistent adversarial networks", ICCV 2017.
       https://arxiv.org/abs/1703.10593
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._images: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._images)

    def query(self, images: Tensor, rng: np.random.Generator) -> list[Tensor]:
        """Give as many images as came, (C, H, W) each; their sizes may differ.

        Parameters
        ----------
        images : Tensor
            (N, C, H, W), without gradients.
        rng : Generator
            All that is random here.
        """
        return [self._exchanged(image, rng) for image in images]

    def _exchanged(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        if not self._size:
            return image
        if len(self._images) < self._size:
            self._images.append(image.clone())
            return image
        if rng.uniform() <= 0.5:
            return image
        place = int(rng.integers(self._size))
        older, self._images[place] = self._images[place], image.clone()
        return older.to(image.device)

    def state_dict(self) -> dict[str, Any]:
        """Give the images."""
        return {"images": list(self._images)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was called."""
        self._images = list(state["images"])
