"""One cycle: up along half a cosine, then down along another."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from harness.contracts import Schedule


class OneCycle(Schedule):
    """torch's OneCycleLR in its cosine form, the optimizer's `lr` being the peak (Smith and Topin 2018).

    It moves the learning rate only: momentum stays as it is (torch's cycle_momentum=False).

    Attributes:
        rise: Share of the steps on the way up (pct_start).
        start: Factor of the first step (1 / div_factor).
        end: Factor of the last step (1 / (div_factor * final_div_factor)).
    """

    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start: Annotated[float, Field(gt=0, le=1)] = 0.04
    end: Annotated[float, Field(ge=0, le=1)] = 4e-6

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return the cycle's height at a step; the last step reaches `end`."""
        last = steps_per_epoch * epochs - 1
        peak = self.rise * (last + 1) - 1
        if step <= peak:
            return _along_cosine(self.start, 1.0, step / peak if peak > 0 else 1.0)
        return _along_cosine(1.0, self.end, (step - peak) / (last - peak))


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
