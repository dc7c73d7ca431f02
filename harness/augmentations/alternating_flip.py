"""Mirror left and right in every other epoch."""

from __future__ import annotations

import torch

from harness.contracts import Augmentation, Batch


class AlternatingFlip(Augmentation):
    """Mirror a random half of the images in the first epoch, the other half in the second, and so on.

    Two epochs in a row show each image both ways, where `flip` shows half of the images the same way twice (Jordan
    2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3.6). A batch that belongs to no epoch is
    mirrored at random.
    """

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with half of the images mirrored; targets stay."""
        return Batch(self.apply(batch.images, self.draw(batch, random)), batch.targets)

    def draw(self, batch: Batch, random: torch.Generator) -> torch.Tensor:
        """Return which images are mirrored: bool [N]; in a fit nothing is drawn."""
        if batch.lots is None or batch.epoch is None:
            return torch.rand(len(batch.images), generator=random, device=random.device) < 0.5
        return (batch.lots < 0.5) ^ (batch.epoch % 2 == 1)

    def apply(self, images: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
        """Return the images [N, C, H, W], those mirrored that `mirrored` [N] says."""
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)
