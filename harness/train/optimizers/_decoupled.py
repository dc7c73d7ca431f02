"""Stochastic gradient descent with weight decay that is no part of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch


class DecoupledSgd(torch.optim.Optimizer):
    """SGD with momentum and decoupled weight decay (Loshchilov and Hutter 2019, algorithm 1).

    A step takes off the share `weight_decay` of a weight, times what a schedule has made of the learning rate:
    neither the learning rate nor the momentum is in it. All tensors of a group are updated together.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, nesterov: bool) -> None:
        super().__init__(list(groups), {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": 0.0})
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the parameters that have a gradient; a closure is not called."""
        assert closure is None
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if parameters:
                self.update(group, parameters)

    def update(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        """Decay the parameters, of any shape, and take a step along the momentum."""
        steps = self.momentum(group, parameters)
        decay(group, parameters)
        torch._foreach_mul_(steps, -group["lr"])
        torch._foreach_add_(parameters, steps)

    def momentum(self, group: dict[str, Any], parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Add the gradients to the running sums; return the directions to go against, any shape as the parameters'."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        sums = [self._sum(parameter) for parameter in parameters]
        torch._foreach_mul_(sums, group["momentum"])
        torch._foreach_add_(sums, gradients)
        if group["nesterov"]:
            return list(torch._foreach_add(gradients, sums, alpha=group["momentum"]))
        return [each.clone() for each in sums]

    def _sum(self, parameter: torch.Tensor) -> torch.Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: torch.Tensor = state["momentum_buffer"]
        return buffer


def decay(group: dict[str, Any], parameters: Sequence[torch.Tensor]) -> None:
    """Take off the share of each weight, of any shape, that the group's decay and schedule say."""
    if group["weight_decay"]:
        torch._foreach_mul_(list(parameters), 1 - group["lr"] / group["initial_lr"] * group["weight_decay"])
