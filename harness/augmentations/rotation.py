"""A random turn."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field

from harness.augmentations._operations import turning, warp
from harness.contracts import Augmentation, Batch


class Rotation(Augmentation):
    """torchvision's RandomRotation: each image is turned around its middle, black where nothing is.

    Attributes:
        degrees: The angle is uniform in [-degrees, degrees].
        interpolation: "nearest" (torchvision's default) or "bilinear".
    """

    degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    interpolation: Literal["nearest", "bilinear"] = "bilinear"

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with each image turned; targets stay."""
        return Batch(self.apply(batch.images, self.draw(len(batch.images), random)), batch.targets)

    def draw(self, count: int, random: torch.Generator) -> torch.Tensor:
        """Return each image's angle in degrees, counter-clockwise: float32 [N]."""
        return (torch.rand(count, generator=random, device=random.device) * 2 - 1) * self.degrees

    def apply(self, images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
        """Return the images turned by these angles."""
        return warp(images, turning(degrees), self.interpolation).clamp(0, 1)
