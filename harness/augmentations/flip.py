"""Mirror left and right."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from harness.contracts import Augmentation, Batch


class Flip(Augmentation):
    """Mirror each image left to right with probability `p`.

    Attributes:
        p: Probability, for each image by itself.
    """

    p: Annotated[float, Field(ge=0, le=1)] = 0.5

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with some images mirrored; targets stay."""
        return Batch(self.apply(batch.images, self.draw(len(batch.images), random)), batch.targets)

    def draw(self, count: int, random: torch.Generator) -> torch.Tensor:
        """Return which images are mirrored: bool [N]."""
        return torch.rand(count, generator=random, device=random.device) < self.p

    def apply(self, images: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
        """Return the images [N, C, H, W], those mirrored that `mirrored` [N] says."""
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)
