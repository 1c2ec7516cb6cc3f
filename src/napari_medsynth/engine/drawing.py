"""Fill volumes with what a network makes of slices."""

from __future__ import annotations

from collections.abc import Collection, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medsynth.errors import CardError, EngineError

from .attention import AttentionRecorder, AttentionVolumes
from .batches import BatchRunner
from .progress import Progress, Result
from .slices import SliceFrame, take_slice
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
        self._arrays = {name: sources.untouched(name) for name in self._units}

    def fill(
        self, runner: BatchRunner, recorder: AttentionRecorder | None
    ) -> Generator[Progress, None, list[str]]:
        """Run all slices, from the first index to the last; give the messages."""
        done, total, messages = 0, len(self._indices), []
        while done < total:
            batch = self._indices[done : done + runner.size]
            images = self._sources.images(batch, self._axis)
            shown = np.flatnonzero(~self._sources.is_empty(images))
            made: NDArray[np.float32] | None = np.empty(0, np.float32)
            if shown.size:
                steps = runner.run(images[shown], recorder)
                made = yield from _counted(steps, done, total)
            if made is None:
                if recorder is not None:
                    recorder.take()  # of the half that was run
                messages.append(runner.shrink(len(batch)))
                yield Progress(done, total, message=messages[-1])
                continue
            if shown.size:
                self._check(made, images)
                self._record([batch[i] for i in shown], recorder)
            done += len(batch)
            yield Progress(done, total, batch, self._keep(batch, shown, made))
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

    def _check(self, made: NDArray[np.float32], images: NDArray[np.float32]) -> None:
        card = self._sources.card
        wanted = (len(card.outputs), *images.shape[2:])
        if made.shape[1:] != wanted:
            raise EngineError(
                f"{card.title} must give images {wanted} for {card.outputs}, but its "
                f"network gave {made.shape[1:]}: its card does not fit its weights."
            )

    def _record(self, indices: list[int], recorder: AttentionRecorder | None) -> None:
        maps = recorder.take() if recorder is not None else {}
        if recorder is not None and not maps:
            title = self._sources.card.title
            raise CardError(f"{title} has no transformer to watch: choose none.")
        self._maps.add(indices, maps)

    def _keep(
        self,
        batch: tuple[int, ...],
        shown: NDArray[np.intp],
        made: NDArray[np.float32],
    ) -> dict[str, NDArray[np.float32]]:
        """Put images into the volumes; give the batch in the unit of the result."""
        partial_images = {}
        for name, channel in self._channels.items():
            array = self._arrays[name]
            for row, image in zip(shown, made, strict=False):
                kept = take_slice(array, self._axis, batch[row])
                kept[...] = self._in_unit(name, image[channel], batch[row])
            partial_images[name] = np.stack(
                [take_slice(array, self._axis, index) for index in batch]
            )
        return partial_images

    def _in_unit(
        self, name: str, image: NDArray[np.float32], index: int
    ) -> NDArray[np.float32]:
        """Turn an image in [-1, 1] into intensities, clipped to a declared range."""
        unit, sources = self._units[name], self._sources
        made = unit.inverse(image)
        if unit.kind == "window":
            made = np.clip(made, unit.low, unit.high)
        if sources.card.is_restoration:
            source = take_slice(sources.reference.data[0], self._axis, index)
            made = made + sources.beyond(source)
        return made


def _counted(
    steps: Generator[tuple[int, int], None, Any], done: int, total: int
) -> Generator[Progress, None, Any]:
    """Tell of each tile."""
    while True:
        try:
            tiles = next(steps)
        except StopIteration as finished:
            return finished.value
        yield Progress(done, total, tiles=tiles)
