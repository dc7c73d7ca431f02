"""Blend pairs of images and their targets."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from harness.augmentations._draws import draw_beta
from harness.contracts import Augmentation, Batch


class Mixup(Augmentation):
    """Zhang et al. 2018, equation 1, with a weight of its own for each image.

    Attributes:
        alpha: The weight is drawn from Beta(alpha, alpha): near 0 or 1 for small ones, uniform at 1.
    """

    alpha: Annotated[float, Field(gt=0)] = 0.2

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return each image and target blended with those of another image of the batch."""
        partners = torch.randperm(len(batch.images), generator=random, device=random.device)
        return self.apply(batch, partners, draw_beta(self.alpha, len(batch.images), random))

    def apply(self, batch: Batch, partners: torch.Tensor, weights: torch.Tensor) -> Batch:
        """Blend with the images `partners` (int64 [N]); `weights` (float32 [N]) is what an image keeps."""
        images = torch.lerp(batch.images[partners], batch.images, weights[:, None, None, None])
        targets = torch.lerp(batch.targets[partners], batch.targets, weights[:, None])
        return Batch(images, targets)
