"""Fill volumes with what a network makes of slices."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import CardError, EngineError

from .attention import AttentionRecorder, AttentionVolumes
from .batches import BatchRunner
from .progress import Progress, Result
from .slices import BACKGROUND, SliceFrame, take_slice
from .sources import Sources

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Drawing:
    """The volumes that a prediction fills, batch by batch.

    Parameters
    ----------
    sources : Sources
        What the network is shown.
    targets : collection of str
        Outputs of the card to keep.
    frame : SliceFrame
        How slices fit the network.
    indices : tuple of int
        The slices to run.
    """

    def __init__(
        self,
        sources: Sources,
        targets: Collection[str],
        frame: SliceFrame,
        indices: tuple[int, ...],
    ) -> None:
        self._sources, self._indices, self._axis = sources, indices, frame.axis
        self._channels = {name: sources.card.outputs.index(name) for name in targets}
        self._units = {name: sources.unit_of(name) for name in targets}
        self._maps = AttentionVolumes(sources.reference, frame, indices)
        self._arrays = {
            name: np.full(sources.reference.shape, unit.inverse(BACKGROUND), np.float32)
            for name, unit in self._units.items()
        }

    def fill(
        self, runner: BatchRunner, recorder: AttentionRecorder | None
    ) -> Generator[Progress, None, list[str]]:
        """Run all slices, from the first index to the last; give the messages."""
        done, total, messages = 0, len(self._indices), []
        while done < total:
            batch = self._indices[done : done + runner.size]
            images = self._sources.images(batch, self._axis)
            made = self._synthesise(batch, images, runner, recorder)
            if made is None:
                messages.append(runner.shrink(len(batch)))
                yield Progress(done, total, message=messages[-1])
                continue
            done += len(batch)
            yield Progress(done, total, batch, self._keep(batch, made))
        return messages

    def result(self, provenance: dict[str, Any]) -> Result:
        """Give what is filled as volumes on the reference grid."""
        card, reference = self._sources.card, self._sources.reference
        volumes = {
            name: reference.with_data(
                array[np.newaxis],
                modality=name,
                name=f"{name} (synthetic: {card.title or card.id})",
                metadata={"synthetic": True, "provenance": provenance},
            )
            for name, array in self._arrays.items()
        }
        attention = self._maps.volumes(card.title or card.id, provenance)
        return Result(volumes, attention, provenance)

    def _synthesise(
        self,
        batch: tuple[int, ...],
        images: NDArray[np.float32],
        runner: BatchRunner,
        recorder: AttentionRecorder | None,
    ) -> NDArray[np.float32] | None:
        """Give (N, out_channels, H, W) in [-1, 1], or None if memory ran out."""
        card = self._sources.card
        size = (len(batch), len(card.outputs), *images.shape[2:])
        drawn = np.full(size, BACKGROUND, np.float32)
        shown = ~self._sources.is_empty(images)
        if not shown.any():
            return drawn
        made = runner.run(images[shown], recorder)
        maps = recorder.take() if recorder is not None else {}
        if made is None:
            return None
        if made.shape[1:] != size[1:]:
            raise EngineError(
                f"{card.title} must give images {size[1:]} for {card.outputs}, but its "
                f"network gave {made.shape[1:]}: its card does not fit its weights."
            )
        if recorder is not None and not maps:
            raise CardError(f"{card.title} has no transformer to watch: choose none.")
        self._maps.add(
            [i for i, is_on in zip(batch, shown, strict=True) if is_on], maps
        )
        drawn[shown] = made
        return drawn

    def _keep(
        self, batch: tuple[int, ...], made: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Put images into the volumes; give them in the unit of the result."""
        partial_images = {}
        for name, channel in self._channels.items():
            images = self._units[name].inverse(made[:, channel])
            partial_images[name] = images
            for index, image in zip(batch, images, strict=True):
                take_slice(self._arrays[name], self._axis, index)[...] = image
        return partial_images
