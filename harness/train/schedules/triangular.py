"""The learning rate rises in a line, then falls in a line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.contracts import Schedule


class Triangular(Schedule):
    """Linear from `start` to 1 at the peak, then linear to `end`, by step.

    The shape and the defaults are those of airbench94 (Jordan 2024, "94% on CIFAR-10 in 3.29
    Seconds on a Single GPU"); with equal ends it is one cycle of torch's CyclicLR.

    Attributes:
        start: Factor of the first step.
        peak: Share of the steps after which the peak is reached.
        end: Factor that the step after the last would have.
    """

    start: Annotated[float, Field(ge=0, le=1)] = 0.2
    peak: Annotated[float, Field(gt=0, lt=1)] = 0.23
    end: Annotated[float, Field(ge=0, le=1)] = 0.07

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return the triangle's height at a step."""
        steps = steps_per_epoch * epochs
        peak = int(self.peak * steps)
        if step < peak:
            return self.start + (1 - self.start) * step / peak
        return 1 + (self.end - 1) * (step - peak) / (steps - peak)
