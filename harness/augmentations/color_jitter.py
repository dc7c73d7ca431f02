"""Random brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Annotated, Final

import torch
from pydantic import Field

from harness.augmentations._draws import constant, gray, shift_hue
from harness.contracts import Augmentation, Batch

BRIGHTNESS: Final = 0
CONTRAST: Final = 1
SATURATION: Final = 2
HUE: Final = 3

Strength = Annotated[float, Field(ge=0)]


class ColorJitter(Augmentation):
    """torchvision's ColorJitter, each image with its own factors and its own order of the four changes.

    On images of one channel saturation and hue do nothing, as in torchvision.

    Attributes:
        brightness: The factor is uniform in [1 - brightness, 1 + brightness], not below 0.
        contrast: Likewise; blends with the mean of the gray image.
        saturation: Likewise; blends with the gray image.
        hue: The shift is uniform in [-hue, hue] turns of the color circle.
    """

    brightness: Strength = 0.2
    contrast: Strength = 0.2
    saturation: Strength = 0.2
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with colors changed; targets stay."""
        count, channels = batch.images.shape[:2]
        return Batch(self.apply(batch.images, *self.draw(count, channels, random)), batch.targets)

    def draw(self, count: int, channels: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return order and factors.

        Order: int64 [P, N], which of the P changes in use (BRIGHTNESS to HUE) an image gets first,
        second and so on. Factors: float32 [4, N], row BRIGHTNESS to row HUE.
        """
        strengths = (self.brightness, self.contrast, self.saturation, self.hue)
        usable = HUE + 1 if channels == 3 else CONTRAST + 1
        used = tuple(change for change in range(usable) if strengths[change] > 0)
        device = random.device
        shuffled = torch.rand(len(used), count, generator=random, device=device).argsort(dim=0)
        order = constant(used, device, torch.int64)[shuffled]
        low = constant((*(max(0.0, 1 - strength) for strength in strengths[:HUE]), -self.hue), device)
        high = constant((*(1 + strength for strength in strengths[:HUE]), self.hue), device)
        uniform = torch.rand(HUE + 1, count, generator=random, device=device)
        return order, low[:, None] + (high - low)[:, None] * uniform

    def apply(self, images: torch.Tensor, order: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
        """Return the images with `factors` applied in `order`, clipped to [0, 1] after each change."""
        for change in order:
            images = _blend(images, change, factors)
            if self.hue > 0 and images.shape[1] == 3:
                images = _turn(images, change, factors)
        return images


def _blend(images: torch.Tensor, change: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Blend each image with black, its mean gray or its gray version; an image whose turn is HUE stays.

    Three changes are one blend with another partner, so every image can have its own order.
    """
    change = change[:, None, None, None]
    pale = gray(images)
    partner = torch.where(change == CONTRAST, pale.mean(dim=(1, 2, 3), keepdim=True), pale) * (change != BRIGHTNESS)
    factor = factors.gather(0, change.flatten()[None]).view_as(change)
    return torch.lerp(partner, images, torch.where(change == HUE, 1.0, factor)).clamp(0, 1)


def _turn(images: torch.Tensor, change: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Shift the hue of the images whose turn it is; finding them waits for the device once."""
    rows = (change == HUE).nonzero().flatten()
    return images.index_copy(0, rows, shift_hue(images[rows], factors[HUE, rows]))
