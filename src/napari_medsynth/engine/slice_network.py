"""SliceNetwork: a card's network on its device, called with tensors."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from napari_medsynth.catalogue import ModelCard
from napari_medsynth.errors import DeviceMemoryError, EngineError

from .device import choose_device, choose_precision, free_memory, is_out_of_memory
from .network import dtype_of, memory_format_of, network_for, ready
from .tiles import run_tiled, smaller_tile, tile_side

_log = logging.getLogger(__name__)

OnAttention = Callable[[str, int, Tensor], None]


class SliceNetwork:
    """Runs a network on inputs that are on the CPU, in batches that fit its memory.

    Parameters
    ----------
    card : ModelCard
        Which model; its weights come from the registry.
    model : Module, optional
        Use this network in evaluation mode instead; it is not changed.
    device, precision : str
        See `choose_device` and `choose_precision`.

    Notes
    -----
    Images larger than the card's tile are run in tiles, unless attention is wanted.

    Attributes
    ----------
    network : Module
        Ready to run, without gradients of its weights.
    device, precision : device, str
        It runs there, and computes in that.

    Raises
    ------
    CardError, WeightsError, EngineError
        As `predict`.
    """

    network: nn.Module

    def __init__(
        self,
        card: ModelCard,
        *,
        model: nn.Module | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.card, self._model = card, model
        self.device, self.precision = choose_network(card, model, device, precision)
        multiple = card.size_multiple
        self._tile = tile_side(card.tile, card.overlap, multiple) if card.tile else 0
        self._move_to(self.device, self.precision)

    def __call__(
        self, inputs: Tensor, on_attention: OnAttention | None = None
    ) -> Tensor:
        """Give (N, out_channels, H, W) float32 on the CPU for `inputs` (N, C, H, W).

        `on_attention` is called as by `models.resvit.ResViT.forward`; give one slice
        then, because a batch that runs out of memory is tried again in halves.

        Raises
        ------
        EngineError
            If the network fails.
        DeviceMemoryError
            If one slice on the CPU needs more memory than there is.
        """
        try:
            with torch.inference_mode():
                return self._run_all(inputs, on_attention).float().cpu()
        except (RuntimeError, MemoryError) as err:
            if not is_out_of_memory(err):
                reason = str(err).strip().splitlines() or [type(err).__name__]
                raise EngineError(
                    f"The network failed on {self.device} ({self.precision}): "
                    f"{reason[0]}"
                ) from err
        gc.collect()
        free_memory(self.device)
        if len(inputs) == 1:
            self._fall_back(max(inputs.shape[2:]))
            return self(inputs, on_attention)
        halves = inputs.tensor_split(2)
        return torch.cat([self(half, on_attention) for half in halves])

    def run(self, inputs: Tensor, on_attention: OnAttention | None = None) -> Tensor:
        """Run the network as it is, so that gradients can flow; on its device."""
        image = inputs.to(self.device, dtype_of(self.network))
        image = image.contiguous(memory_format=memory_format_of(self.network))
        if on_attention is None:
            return self.network(image)
        return self.network(image, on_attention=on_attention)

    def _run_all(self, inputs: Tensor, on_attention: OnAttention | None) -> Tensor:
        is_large = 0 < self._tile < max(inputs.shape[2:])
        if on_attention is not None or not is_large:
            return self.run(inputs, on_attention)
        return run_tiled(
            self.run,
            inputs.to(self.device),
            tile=self._tile,
            overlap=self.card.overlap,
            scale=self.card.size_multiple,
        )

    def _move_to(self, device: torch.device, precision: str) -> None:
        self.device, self.precision = device, precision
        given = self._model
        self.network = (
            network_for(self.card, device, precision)
            if given is None
            else ready(given, device, precision)
        )

    def _fall_back(self, length: int) -> None:
        """Take smaller tiles than before for images of this length, or the CPU."""
        tile = min(self._tile, length)
        half = smaller_tile(tile, self.card.overlap, self.card.size_multiple)
        if half:
            _log.warning("Out of memory on %s: now tiles of %d.", self.device, half)
            self._tile = half
            return
        if self.device.type == "cpu":
            raise DeviceMemoryError(
                "One slice needs more memory than this machine has free: close other "
                "programs, or choose a smaller model."
            )
        _log.warning("Out of memory on %s: now on the CPU.", self.device)
        self.network = nn.Identity()
        free_memory(self.device)
        self._move_to(torch.device("cpu"), "fp32")


def choose_network(
    card: ModelCard, model: nn.Module | None, device: str, precision: str
) -> tuple[torch.device, str]:
    """Choose device and precision; a given model stays what it is on "auto"."""
    if model is None:
        chosen = choose_device(device)
        return chosen, choose_precision(
            precision,
            chosen,
            n_parameters=card.parameters or None,
            norm_statistics=card.norm_statistics,
            is_restoration=card.is_restoration,
        )
    chosen = _home(model) if device == "auto" else choose_device(device)
    precision = "fp32" if precision == "auto" else precision
    return chosen, choose_precision(precision, chosen)


def network_on(
    card: ModelCard, model: nn.Module | None, device: torch.device, precision: str
) -> nn.Module:
    """Give the card's network, or `model`, ready for a device and a precision."""
    if model is None:
        return network_for(card, device, precision)
    home = _home(model)
    is_there = (device.type, device.index or 0) == (home.type, home.index or 0)
    return (
        model if is_there and precision == "fp32" else ready(model, device, precision)
    )


def _home(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device
