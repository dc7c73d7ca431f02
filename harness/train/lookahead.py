"""Slow weights that follow the trained ones now and then, and pull them back."""

from __future__ import annotations

import copy

import torch
from torch import nn

from harness.contracts import Lookahead


class SlowWeights:
    """A second network that holds the slow weights (Zhang et al. 2019, algorithm 1).

    Every `every` steps it moves towards the trained network, which then starts again from it. Parameters and
    floating-point buffers are treated alike; whole-number buffers are copied. The share that it keeps grows over the
    training, as in airbench94 (Jordan 2024, section 3.4); with power 0 it stays, as in the paper by Zhang.
    """

    def __init__(self, network: nn.Module, options: Lookahead, steps: int) -> None:
        """Start from the network's weights; `steps` is the length of the whole training."""
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._options, self._steps = options, steps
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Hear of a step, `updates` steps having been taken before it."""
        taken = updates + 1
        if taken % self._options.every:
            return
        kept = self._options.decay * (taken / self._steps) ** self._options.power
        slow, fast = (list(each) for each in zip(*self._moving, strict=True))
        torch._foreach_lerp_(slow, fast, 1 - kept)
        torch._foreach_copy_(fast, slow)
        for target, value in self._copied:
            target.copy_(value)
