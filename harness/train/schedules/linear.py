"""The learning rate falls in a line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.contracts import Schedule


class Linear(Schedule):
    """torch's LinearLR from 1 to `end` over the whole training, by step.

    Attributes:
        end: Factor that the step after the last would have.
    """

    end: Annotated[float, Field(ge=0, le=1)] = 0.0

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return the height of the line at a step."""
        return 1 + (self.end - 1) * step / (steps_per_epoch * epochs)
