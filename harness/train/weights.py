"""Weights beside the trained ones (a moving average, slow weights), and parameters that stop to be trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from harness.contracts import Freeze, Lookahead
from harness.errors import InputError, nearest


class _Second:
    """A copy of a network, beside it tensor by tensor.

    Parameters and floating-point buffers (the running statistics of batch normalization) are treated alike;
    whole-number buffers are copied.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._own = [own for own, _ in pairs if own.is_floating_point()]
        self._others = [other for own, other in pairs if own.is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    def _copy_counts(self) -> None:
        for own, other in self._counts:
            own.copy_(other)


class Average(_Second):
    """Exponential moving average of a network's weights.

    Early on the decay is min(decay, (1 + t) / (10 + t)) after t updates, as in TensorFlow's ExponentialMovingAverage
    with num_updates: without it a short training would still be dominated by its initial weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network)
        self._decay = decay

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Move towards the network's weights, `updates` updates having been made before."""
        decay = min(self._decay, (1 + updates) / (10 + updates))
        get_ema_multi_avg_fn(decay)(self._own, self._others, updates)  # type: ignore[no-untyped-call]
        self._copy_counts()


class SlowWeights(_Second):
    """The slow weights of lookahead (Zhang et al. 2019, algorithm 1).

    Every `every` steps they move towards the trained network, which then starts again from them. The share that they
    keep grows over the training, as in airbench94 (Jordan 2024, section 3.4); with power 0 it stays, as in the paper
    by Zhang.
    """

    def __init__(self, network: nn.Module, options: Lookahead, steps: int) -> None:
        """Start from the network's weights; `steps` is the length of the whole training."""
        super().__init__(network)
        self._options, self._steps = options, steps

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Hear of a step, `updates` steps having been taken before it."""
        taken = updates + 1
        if taken % self._options.every:
            return
        kept = self._options.decay * (taken / self._steps) ** self._options.power
        torch._foreach_lerp_(self._own, self._others, 1 - kept)
        torch._foreach_copy_(self._others, self._own)
        self._copy_counts()


class Freezing:
    """Which of a network's trainable parameters are frozen in which epoch; see `Recipe.freeze`.

    Raises:
        InputError: a pattern matches no trainable parameter, or an epoch would train none.
    """

    def __init__(self, network: nn.Module, freezes: Sequence[Freeze]) -> None:
        self._network = network
        trainable = {name: each for name, each in network.named_parameters() if each.requires_grad}
        self._epochs: dict[nn.Parameter, int] = {}
        for place, freeze in enumerate(freezes):
            matching = [name for name in trainable if fnmatchcase(name, freeze.parameters)]
            if not matching:
                raise InputError(
                    f'recipe.freeze.{place}.parameters: "{freeze.parameters}" matches no trainable parameter'
                    f"{nearest(freeze.parameters, trainable)}"
                )
            for name in matching:
                former = self._epochs.get(trainable[name], freeze.epochs)
                self._epochs[trainable[name]] = min(former, freeze.epochs)
        if trainable and len(self._epochs) == len(trainable):
            raise InputError("recipe.freeze: every parameter of the network would be frozen; leave one to be trained")

    def begin(self, epoch: int) -> bool:
        """Freeze what is not trained in an epoch (from 1), let the rest be trained; return whether that is a change.

        The network is in training mode. Layers that are frozen whole leave it, so that the running statistics of a
        normalization stay as they are with its weights.
        """
        changed = False
        for parameter, epochs in self._epochs.items():
            trained = epoch <= epochs
            changed |= parameter.requires_grad != trained
            parameter.requires_grad_(trained)
            if not trained:
                parameter.grad = None
        for module in self._network.modules():
            own = list(module.parameters(recurse=False))
            if own and all(parameter in self._epochs and not parameter.requires_grad for parameter in own):
                module.eval()
        return changed

    @property
    def never_trained(self) -> int:
        """How many numbers are frozen from the first epoch on."""
        return sum(parameter.numel() for parameter, epochs in self._epochs.items() if not epochs)

    def end(self) -> None:
        """Let everything be trainable again, as it was."""
        for parameter in self._epochs:
            parameter.requires_grad_(True)
