"""A square hole."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from harness.augmentations._draws import inside
from harness.contracts import Augmentation, Batch


class Cutout(Augmentation):
    """DeVries and Taylor 2017, section 3.1: a square around a random pixel is blanked, cut at the borders.

    Attributes:
        size: Side of the square in pixels.
        fill: Value in [0, 1] that the square gets, or "mean": the batch's mean of each channel,
            which normalization turns into about 0, the paper's fill.
    """

    size: Annotated[int, Field(gt=0)] = 8
    fill: Annotated[float, Field(ge=0, le=1)] | Literal["mean"] = "mean"

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with a square of each image blanked; targets stay."""
        count, _, height, width = batch.images.shape
        return Batch(self.apply(batch.images, self.draw(count, height, width, random)), batch.targets)

    def draw(self, count: int, height: int, width: int, random: torch.Generator) -> torch.Tensor:
        """Return top, bottom, left, right (exclusive ends) of each square: int64 [4, N], may lie beyond the image."""
        sides = []
        for length in (height, width):
            start = torch.randint(length, (count,), generator=random, device=random.device) - self.size // 2
            sides += [start, start + self.size]
        return torch.stack(sides)

    def apply(self, images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Return the images with the boxes filled."""
        blanked = inside(boxes, *images.shape[2:])
        if self.fill == "mean":
            return torch.where(blanked, images.mean(dim=(0, 2, 3), keepdim=True), images)
        return images.masked_fill(blanked, self.fill)
