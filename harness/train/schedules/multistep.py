"""The learning rate falls at named epochs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.contracts import Schedule


class Multistep(Schedule):
    """torch's MultiStepLR: times `gamma` after each of the milestones.

    Attributes:
        milestones: Numbers of epochs after which the learning rate falls; the default is half
            and three quarters of 30 epochs (He et al. 2016, section 4.2, falls at those shares).
        gamma: Factor of each fall.
    """

    milestones: tuple[Annotated[int, Field(gt=0)], ...] = (15, 23)
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1

    def factor(self, step: int, steps_per_epoch: int, epochs: int) -> float:
        """Return `gamma` to the number of milestones that are over."""
        over = step // steps_per_epoch
        return self.gamma ** sum(milestone <= over for milestone in self.milestones)
