"""A network layer by layer: shapes, parameters, floating-point operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.contracts import Layer


@dataclass(frozen=True, slots=True)
class Trace:
    """What a forward pass over one image comes to; a multiply-add is two operations."""

    layers: tuple[Layer, ...]
    """In the order in which they are called."""
    parameters: int
    """Trainable ones, whether or not their layer is called."""
    flops: int
    output: tuple[int, ...]
    """The shape of the scores."""


def trace(network: nn.Module, shape: tuple[int, int, int]) -> Trace:
    """Return what a forward pass over one image comes to, of all layers and functions.

    The network is left as it was: same mode, same buffers.

    Args:
        network: From [N, C, H, W] to [N, K].
        shape: Height, width and channels of an image.
    """
    layers: list[Layer] = []
    height, width, channels = shape
    counter = FlopCounterMode(display=False)
    with ExitStack() as open_until_end:
        open_until_end.enter_context(evaluating(network))
        open_until_end.enter_context(torch.no_grad())
        for name, module in network.named_modules():
            if not any(module.children()):
                call = _Call(layers, counter, name or type(module).__name__)
                open_until_end.enter_context(module.register_forward_pre_hook(call.enter))
                open_until_end.enter_context(module.register_forward_hook(call.leave))
        open_until_end.enter_context(counter)
        output = network(torch.zeros(1, channels, height, width, device=_device_of(network)))
    flops = int(counter.get_total_flops())
    return Trace(tuple(layers), parameter_count(network), flops, tuple(output.shape))


def parameter_count(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


class _Call:
    """The hooks around the calls of one module."""

    def __init__(self, layers: list[Layer], counter: FlopCounterMode, name: str) -> None:
        self._layers, self._counter, self._name = layers, counter, name
        self._before = 0

    def enter(self, _module: nn.Module, _inputs: Any) -> None:
        self._before = int(self._counter.get_total_flops())

    def leave(self, module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        spent = int(self._counter.get_total_flops()) - self._before
        shape = tuple(output.shape[1:])
        self._layers.append(Layer(self._name, type(module).__name__, shape, parameter_count(module), spent))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and each back in its own mode at the end."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _device_of(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
