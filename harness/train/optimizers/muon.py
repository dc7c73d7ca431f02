"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import torch
from pydantic import Field

from harness.contracts import Optimizer
from harness.train.optimizers._decoupled import DecoupledSgd, decay

QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x^3 and x^5 with a steep slope at 0; singular values end between about 0.7 and 1.2."""


class Muon(Optimizer):
    """Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".

    Convolution filters, as matrices of one row an output channel, go against their momentum made orthogonal. All
    other parameters are trained by SGD with decoupled decay (`sgdw`), also the matrices of linear layers.

    Attributes:
        lr: Learning rate of filters that the schedule's factor multiplies.
        momentum: Share of the last step that is kept, for filters.
        nesterov: Whether the gradient is looked up ahead of the step, everywhere.
        iterations: Newton-Schulz iterations.
        normalize: Whether each filter bank is scaled before its step to the norm of as many unit vectors as it has
            output channels (airbench94_muon); else it decays like the other weights.
        rest_lr: Learning rate of what is no filter.
        rest_momentum: Share of the last step that is kept there.
        bias_factor: The learning rate of biases and norms as a multiple of `rest_lr`.
        weight_decay: Share of each weight that a step takes off, times the schedule's factor.
    """

    lr: Annotated[float, Field(gt=0)] = 0.24
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.6
    nesterov: bool = True
    iterations: Annotated[int, Field(gt=0)] = 3
    normalize: bool = True
    rest_lr: Annotated[float, Field(gt=0)] = 0.1
    rest_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.85
    bias_factor: Annotated[float, Field(gt=0)] = 1.0
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""
        parts = [part for group in groups for part in self._split(group)]
        return _Muon(parts, self.rest_lr, self.rest_momentum, self.nesterov)

    def _split(self, group: dict[str, object]) -> list[dict[str, object]]:
        """Return the group's filters, other weights, and biases, as up to three groups."""
        parameters: list[torch.Tensor] = list(group["params"])  # type: ignore[call-overload]
        filters = {"lr": self.lr, "momentum": self.momentum, "iterations": self.iterations, "normalize": self.normalize}
        parts = (
            {"params": [each for each in parameters if each.ndim == 4], **filters},
            {"params": [each for each in parameters if each.ndim in {2, 3}]},
            {"params": [each for each in parameters if each.ndim <= 1], "lr": self.rest_lr * self.bias_factor},
        )
        return [group | {"iterations": 0, "normalize": False} | part for part in parts if part["params"]]


class _Muon(DecoupledSgd):
    """Groups with Newton-Schulz iterations go along orthogonal matrices, the others are SGD's."""

    def update(self, group: dict[str, Any], parameters: list[torch.Tensor]) -> None:
        if not group["iterations"]:
            super().update(group, parameters)
            return
        steps = self.momentum(group, parameters)
        if group["normalize"]:
            _normalize(parameters)
        else:
            decay(group, parameters)
        steps = _orthogonal_by_shape(steps, group["iterations"])
        torch._foreach_mul_(steps, -group["lr"])
        torch._foreach_add_(parameters, steps)


def orthogonal(matrices: torch.Tensor, iterations: int) -> torch.Tensor:
    """Return U S V^T for each U S' V^T of [B, M, N], singular values S near 1 whatever S' was.

    Newton-Schulz iterations with the coefficients `QUINTIC`; under autocast the products run in its format.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    found = matrices.mT if tall else matrices
    found = found / (found.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, third, fifth = QUINTIC
    for _ in range(iterations):
        square = found @ found.mT
        found = first * found + (third * square + fifth * square @ square) @ found
    result: torch.Tensor = (found.mT if tall else found).to(matrices.dtype)
    return result


def _orthogonal_by_shape(steps: Sequence[torch.Tensor], iterations: int) -> list[torch.Tensor]:
    """Return each filter bank made orthogonal; those of one shape together."""
    rows_of: dict[torch.Size, list[int]] = defaultdict(list)
    for row, step in enumerate(steps):
        rows_of[step.shape].append(row)
    found = list(steps)
    for shape, rows in rows_of.items():
        together = torch.stack([steps[row].flatten(1) for row in rows])
        for row, one in zip(rows, orthogonal(together, iterations), strict=True):
            found[row] = one.view(shape)
    return found


def _normalize(filters: list[torch.Tensor]) -> None:
    """Scale each filter bank to the norm of as many unit vectors as it has output channels."""
    for each, norm in zip(filters, torch._foreach_norm(filters), strict=True):
        each.mul_(len(each) ** 0.5 / norm)
