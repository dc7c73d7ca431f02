"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """A second network that follows the first.

    Parameters and floating-point buffers (the running statistics of batch normalization) are
    averaged alike; whole-number buffers are copied. Early on the decay is min(decay, (1 + t) / (10 + t))
    after t updates, as in TensorFlow's ExponentialMovingAverage with num_updates: without it a
    short training would still be dominated by its initial weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Move towards the network's weights, `updates` updates having been made before."""
        decay = min(self._decay, (1 + updates) / (10 + updates))
        averages, values = zip(*self._averaged, strict=True)
        get_ema_multi_avg_fn(decay)(list(averages), list(values), updates)  # type: ignore[no-untyped-call]
        for average, value in self._copied:
            average.copy_(value)
