"""Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from pydantic import Field

from harness.contracts import Optimizer

Beta = Annotated[float, Field(ge=0, lt=1)]


class Adam(Optimizer):
    """torch.optim.Adam (Kingma and Ba 2015, algorithm 1), with torch's defaults.

    Attributes:
        lr: Learning rate that the schedule's factor multiplies.
        betas: Decay of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: L2 penalty, added to the gradient (so it is scaled by Adam; adamw is not).
    """

    lr: Annotated[float, Field(gt=0)] = 1e-3
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0

    def build(self, groups: Iterable[dict[str, object]], fused: bool) -> torch.optim.Optimizer:
        """Return the optimizer over parameter groups whose `weight_decay` is already set."""
        return torch.optim.Adam(list(groups), lr=self.lr, betas=self.betas, eps=self.eps, fused=fused or None)
