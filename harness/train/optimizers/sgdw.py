"""Stochastic gradient descent with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from harness.contracts import Optimizer
from harness.train.optimizers._decoupled import DecoupledSgd


class Sgdw(Optimizer):
    """SGDW (Loshchilov and Hutter 2019, algorithm 1): the decay is no part of the gradient.

    Attributes:
        lr: Learning rate that the schedule's factor multiplies.
        momentum: Share of the last step that is kept; 0 for none.
        nesterov: Whether the gradient is looked up ahead of the step; without momentum it changes nothing.
        weight_decay: Share of each weight that a step takes off, times the schedule's factor. Of the L2 penalty of
            `sgd` it is lr / (1 - momentum) times as much.
        bias_factor: The learning rate of parameters of one dimension, biases and norms, as a multiple of `lr`
            (64 in airbench94, Jordan 2024, section 3.4).
    """

    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 5e-4
    bias_factor: Annotated[float, Field(gt=0)] = 1.0

    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""
        if self.bias_factor != 1:
            groups = [part for group in groups for part in self._split(group)]
        return DecoupledSgd(groups, self.lr, self.momentum, self.nesterov)

    def _split(self, group: dict[str, object]) -> list[dict[str, object]]:
        """Return the group's biases and norms, and the rest, as two groups; none of them empty."""
        parameters: list[torch.Tensor] = list(group["params"])  # type: ignore[call-overload]
        biases = [each for each in parameters if each.ndim <= 1]
        rest = [each for each in parameters if each.ndim > 1]
        both = (group | {"params": rest}, group | {"params": biases, "lr": self.lr * self.bias_factor})
        return [part for part in both if part["params"]]
