"""The learning rate falls at even intervals."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.contracts import Schedule


class Step(Schedule):
    """torch's StepLR: times `gamma` after each `every` epochs.

    Attributes:
        every: Epochs between two falls.
        gamma: Factor of each fall.
    """

    every: Annotated[int, Field(gt=0)] = 10
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return `gamma` to the number of intervals that are over."""
        return self.gamma ** (step // steps_per_epoch // self.every)
