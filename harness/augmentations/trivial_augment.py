"""One operation from a list of 14, as strong as chance has it."""

from __future__ import annotations

from typing import Final

import torch

from harness.augmentations import _operations
from harness.augmentations._operations import NONE, Range
from harness.contracts import Augmentation, Batch

STRONGEST: Final = 30


class TrivialAugment(Augmentation):
    """Mueller and Hutter 2021, TrivialAugment Wide, with torchvision's operations; each image draws its own."""

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with each image changed; targets stay."""
        return Batch(self.apply(batch.images, *self.draw(len(batch.images), random)), batch.targets)

    def draw(self, count: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each image's operation, int64 [N], and how strong it is, float32 [N]."""
        bins = torch.randint(STRONGEST + 1, (count,), generator=random, device=random.device)
        return _operations.draw(RANGES, bins, STRONGEST, random)

    def apply(self, images: torch.Tensor, operation: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        """Return the images [N, C, H, W] changed so."""
        return _operations.apply(images, tuple(RANGES), operation, strength)


RANGES: Final = {
    "Identity": NONE,
    "ShearX": Range(0.0, 0.99),
    "ShearY": Range(0.0, 0.99),
    "TranslateX": Range(0.0, 32.0),
    "TranslateY": Range(0.0, 32.0),
    "Rotate": Range(0.0, 135.0),
    "Brightness": Range(0.0, 0.99),
    "Color": Range(0.0, 0.99),
    "Contrast": Range(0.0, 0.99),
    "Sharpness": Range(0.0, 0.99),
    "Posterize": Range(8.0, 2.0, is_signed=False),
    "Solarize": Range(255.0, 0.0, is_signed=False),
    "AutoContrast": NONE,
    "Equalize": NONE,
}
