"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field, model_validator

from harness.contracts import Optimizer


class Sgd(Optimizer):
    """torch.optim.SGD; the defaults are the recipe common on CIFAR-10 (Zagoruyko and Komodakis 2016, section 3).

    Attributes:
        lr: Learning rate that the schedule's factor multiplies.
        momentum: Share of the last step that is kept; 0 for none.
        nesterov: Whether the gradient is looked up ahead of the step; wants momentum.
        weight_decay: L2 penalty, added to the gradient.
    """

    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4

    @model_validator(mode="after")
    def _nesterov_wants_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0; set nesterov: false")
        return self

    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""
        return torch.optim.SGD(
            list(groups), lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, fused=fused or None
        )
