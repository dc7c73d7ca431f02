"""A few operations from a list of 14, all equally strong."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from harness.augmentations import _operations
from harness.augmentations._operations import NONE, Range
from harness.contracts import Augmentation, Batch

STRONGEST = 30


class RandAugment(Augmentation):
    """Cubuk et al. 2020, with torchvision's operations, strengths and defaults; each image draws its own.

    Attributes:
        operations: How many an image gets, one after another.
        magnitude: How strong they are, from 0 to 30.
    """

    operations: Annotated[int, Field(gt=0, le=14)] = 2
    magnitude: Annotated[int, Field(ge=0, le=STRONGEST)] = 9

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with each image changed; targets stay."""
        count, _, height, width = batch.images.shape
        return Batch(self.apply(batch.images, *self.draw(count, height, width, random)), batch.targets)

    def draw(self, count: int, height: int, width: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each image's operations in their order, int64 [O, N], and how strong each is, float32 [O, N]."""
        ranges = self.ranges(height, width)
        bins = torch.full((count,), self.magnitude, device=random.device)
        drawn = [_operations.draw(ranges, bins, STRONGEST, random) for _ in range(self.operations)]
        operations, strengths = zip(*drawn, strict=True)
        return torch.stack(operations), torch.stack(strengths)

    def apply(self, images: torch.Tensor, operations: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        """Return the images [N, C, H, W] changed so."""
        names = tuple(self.ranges(*images.shape[2:]))
        for operation, strength in zip(operations, strengths, strict=True):
            images = _operations.apply(images, names, operation, strength)
        return images

    @staticmethod
    def ranges(height: int, width: int) -> dict[str, Range]:
        """Return how strong each operation gets on images of a size."""
        return {
            "Identity": NONE,
            "ShearX": Range(0.0, 0.3),
            "ShearY": Range(0.0, 0.3),
            "TranslateX": Range(0.0, 150 / 331 * width),
            "TranslateY": Range(0.0, 150 / 331 * height),
            "Rotate": Range(0.0, 30.0),
            "Brightness": Range(0.0, 0.9),
            "Color": Range(0.0, 0.9),
            "Contrast": Range(0.0, 0.9),
            "Sharpness": Range(0.0, 0.9),
            "Posterize": Range(8.0, 4.0, is_signed=False),
            "Solarize": Range(255.0, 0.0, is_signed=False),
            "AutoContrast": NONE,
            "Equalize": NONE,
        }
