"""Paste a box of another image, and mix the targets by area."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from harness.augmentations._draws import draw_beta, inside
from harness.contracts import Augmentation, Batch


class Cutmix(Augmentation):
    """Yun et al. 2019, section 3.1, with a box of its own for each image.

    Attributes:
        alpha: The share of the image that stays is drawn from Beta(alpha, alpha).
    """

    alpha: Annotated[float, Field(gt=0)] = 1.0

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return each image with a box of another one, targets mixed by the pixels of each."""
        count, _, height, width = batch.images.shape
        partners = torch.randperm(count, generator=random, device=random.device)
        return self.apply(batch, partners, self.draw(count, height, width, random))

    def draw(self, count: int, height: int, width: int, random: torch.Generator) -> torch.Tensor:
        """Return top, bottom, left, right (exclusive ends) of each box: int64 [4, N], cut at the borders."""
        half = 0.5 * torch.sqrt(1 - draw_beta(self.alpha, count, random))
        sides = []
        for length in (height, width):
            center = torch.randint(length, (count,), generator=random, device=random.device)
            reach = (half * length).long()
            sides += [(center - reach).clamp(min=0), (center + reach).clamp(max=length)]
        return torch.stack(sides)

    def apply(self, batch: Batch, partners: torch.Tensor, boxes: torch.Tensor) -> Batch:
        """Paste `boxes` of the images `partners` (int64 [N])."""
        height, width = batch.images.shape[2:]
        pasted = inside(boxes, height, width)
        images = torch.where(pasted, batch.images[partners], batch.images)
        kept = 1 - (boxes[1] - boxes[0]) * (boxes[3] - boxes[2]) / (height * width)
        return Batch(images, torch.lerp(batch.targets[partners], batch.targets, kept[:, None]))
