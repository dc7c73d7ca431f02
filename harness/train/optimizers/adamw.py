"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from harness.contracts import Optimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


class Adamw(Optimizer):
    """torch.optim.AdamW (Loshchilov and Hutter 2019, algorithm 2), with torch's defaults.

    Attributes:
        lr: Learning rate that the schedule's factor multiplies.
        betas: Decay of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: Share of each weight (times the learning rate) that a step takes off.
    """

    lr: Annotated[float, Field(gt=0)] = 1e-3
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2

    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""
        return torch.optim.AdamW(list(groups), lr=self.lr, betas=self.betas, eps=self.eps, fused=fused or None)
