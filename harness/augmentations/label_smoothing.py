"""Softer targets."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from harness.contracts import Augmentation, Batch


class LabelSmoothing(Augmentation):
    """Szegedy et al. 2016, section 7: targets move towards uniform.

    `recipe.label_smoothing` applies this one after all others.

    Attributes:
        share: Probability mass that is spread evenly over all classes.
    """

    share: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with targets nearer to uniform; images are untouched, nothing is drawn."""
        even = self.share / batch.targets.shape[1]
        return Batch(batch.images, batch.targets * (1 - self.share) + even)
