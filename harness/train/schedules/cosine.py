"""The learning rate falls along half a cosine."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from harness.contracts import Schedule


class Cosine(Schedule):
    """torch's CosineAnnealingLR with T_max = epochs (Loshchilov and Hutter 2017, equation 5).

    Attributes:
        per: Whether the learning rate moves each epoch, as in the usual loop, or each step.
        floor: Factor that it falls to.
    """

    per: Literal["epoch", "step"] = "epoch"
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return half a cosine of the share of epochs (or steps) that are over."""
        over = step // steps_per_epoch if self.per == "epoch" else step / steps_per_epoch
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * over / epochs)) / 2
