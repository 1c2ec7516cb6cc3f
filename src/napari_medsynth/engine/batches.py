"""Run a network on batches of slices that fit the memory of its device."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_medsynth.errors import DeviceMemoryError, EngineError

from .device import choose_precision, free_memory, is_out_of_memory, max_batch
from .network import dtype_of, has_attention, memory_format_of, n_parameters
from .tiles import smaller_tile, tile_side, tiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .slices import SliceFrame

_log = logging.getLogger(__name__)

NetworkOn = Callable[[torch.device, str], nn.Module]
OnAttention = Callable[[str, int, Tensor], None]

# On a CPU, torch's fused attention takes twice as long in bf16 as two products and a
# softmax, as long as these fit the memory: up to here, pixels of an image.
_MAX_UNFUSED = 512**2


class BatchRunner:
    """A network, its device, and the number of slices that it takes at once.

    The first batch is one slice, so that something shows early; each success doubles
    the next one up to what `max_batch` allows.

    Parameters
    ----------
    network_on : callable
        Gives the network for a device and a precision.
    device : torch.device
        Where to start.
    precision : {"fp32", "bf16", "fp16"}
        What to compute in.
    frame : SliceFrame
        How slices fit the network.
    missing : sequence of int
        Input channels that get `missing_value` everywhere, padding included.
    missing_value : float
        See `ModelCard`.
    batch_size : int, optional
        Start with it and do not grow.
    tile, overlap, multiple : int
        Side of the tiles that larger images are run in, 0 for never; what neighbouring
        ones share; what sides and corners of them are multiples of [pixel].

    Attributes
    ----------
    network : Module
        In use now.
    device, precision : device, str
        It runs there, and computes in that.
    size : int
        Slices of the next batch.
    tile : int
        Side of the tiles in use; 0 if images are run whole.
    """

    network: nn.Module

    def __init__(
        self,
        network_on: NetworkOn,
        device: torch.device,
        precision: str,
        *,
        frame: SliceFrame,
        missing: Sequence[int] = (),
        missing_value: float = -1.0,
        batch_size: int | None = None,
        tile: int = 0,
        overlap: int = 0,
        multiple: int = 1,
    ) -> None:
        side = tile_side(tile, overlap, multiple) if tile else 0
        self.tile = side if side < max(frame.padded) else 0
        # What to come down to when memory runs out, if tiles are allowed at all.
        self._largest = min(side, max(frame.padded))
        self._overlap, self._multiple = overlap, multiple
        self._network_on = network_on
        self._frame = frame
        self._missing = list(missing)
        self._missing_value = missing_value
        self._move_to(device, precision)
        if batch_size is not None:
            self.size = self._limit = max(1, batch_size)

    def run(
        self, images: NDArray[np.float32], on_attention: OnAttention | None = None
    ) -> Generator[tuple[int, int], None, NDArray[np.float32] | None]:
        """Synthesise a batch; None if memory ran out: call `shrink`, then try again.

        With attention, images are run whole.

        Parameters
        ----------
        images : ndarray
            (N, in_channels, H, W) in [-1, 1], H and W the size of a slice.
        on_attention : callable, optional
            See `models.resvit.ResViT.forward`.

        Yields
        ------
        tuple of int
            Tiles done and all of them, after each but the last.

        Returns
        -------
        ndarray or None
            (N, out_channels, H, W), what the network gave.

        Raises
        ------
        EngineError
            If the network fails for another reason.
        """
        try:
            made = yield from self._measured(images, on_attention)
        except (RuntimeError, MemoryError) as err:
            if is_out_of_memory(err):
                return None
            reason = str(err).strip().splitlines() or [type(err).__name__]
            raise EngineError(
                f"The network failed on {self.device} ({self.precision}): {reason[0]}"
            ) from err
        self.size = min(2 * self.size, self._limit)
        return made

    def shrink(self, n_failed: int) -> str:
        """Halve the batch of `n_failed` slices, or the tiles, or move to the CPU.

        Give a sentence that says so.

        Raises
        ------
        DeviceMemoryError
            If it was one slice on the CPU already.
        """
        gc.collect()
        free_memory(self.device)
        where = self.device.type
        if n_failed > 1:
            self.size = self._limit = n_failed // 2
            message = f"Out of memory on {where}: now {self.size} slice(s) at once."
        elif half := smaller_tile(
            self.tile or self._largest, self._overlap, self._multiple
        ):
            self.tile = half
            message = f"Out of memory on {where}: now in tiles of {half} pixels."
        elif where != "cpu":
            self.network = nn.Identity()
            free_memory(self.device)
            precision = "auto" if self.precision == "fp16" else self.precision
            cpu = torch.device("cpu")
            self._move_to(cpu, choose_precision(precision, cpu))
            message = f"Out of memory on {where}, even with one slice: now on the CPU."
        else:
            raise DeviceMemoryError(
                "One slice needs more memory than this machine has free: close other "
                "programs, or choose a smaller model."
            )
        _log.warning(message)
        return message

    def close(self) -> None:
        """Let go of the network, and give cached memory back."""
        self.network = nn.Identity()
        free_memory(self.device)

    def _move_to(self, device: torch.device, precision: str) -> None:
        self.device, self.precision = device, precision
        self.network = self._network_on(device, precision)
        self._dtype = dtype_of(self.network)
        self._format = memory_format_of(self.network)
        self._is_unfused_faster = (
            device.type == "cpu"
            and self._dtype == torch.bfloat16
            and self._frame.padded[0] * self._frame.padded[1] <= _MAX_UNFUSED
            and has_attention(self.network)
        )
        self._limit = max_batch(device, n_parameters=n_parameters(self.network))
        self._is_measured = device.type != "cuda"
        self.size = 1

    def _measured(
        self, images: NDArray[np.float32], on_attention: OnAttention | None
    ) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
        """Run a batch; learn of the first one how many a GPU can take."""
        if self._is_measured:
            return (yield from self._forward(images, on_attention))
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        made = yield from self._forward(images, on_attention)
        used = torch.cuda.max_memory_allocated(self.device) - before
        self._limit = max_batch(self.device, bytes_per_slice=used // len(images))
        self._is_measured = True
        return made

    def _forward(
        self, images: NDArray[np.float32], on_attention: OnAttention | None
    ) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
        # inference_mode belongs to the thread: it must not be open at a yield.
        image = self._framed(images)
        if self.tile and on_attention is None:
            made = yield from tiled(
                self._run,
                image,
                tile=self.tile,
                overlap=self._overlap,
                scale=self._multiple,
            )
        else:
            made = self._run(image, on_attention)
        with torch.inference_mode():
            return self._frame.from_network(made.float()).cpu().numpy()

    @torch.inference_mode()
    def _framed(self, images: NDArray[np.float32]) -> Tensor:
        image = self._frame.to_network(torch.from_numpy(images).to(self.device))
        image[:, self._missing] = self._missing_value
        return image.to(self._dtype)

    @torch.inference_mode()
    def _run(self, image: Tensor, on_attention: OnAttention | None = None) -> Tensor:
        image = image.contiguous(memory_format=self._format)
        if on_attention is None and self._is_unfused_faster:
            on_attention = _ignore
        if on_attention is None:
            made: Tensor = self.network(image)
        else:
            made = self.network(image, on_attention=on_attention)
        return made


def _ignore(block: str, layer: int, probabilities: Tensor) -> None:
    """Take attention that nobody asked for."""
