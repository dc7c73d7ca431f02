"""A random part of the image, enlarged to its size."""

from __future__ import annotations

from math import log
from typing import Annotated

import torch
from pydantic import Field, model_validator

from harness.contracts import Augmentation, Batch

TRIES = 10
Size = Annotated[float, Field(gt=0)]


class RandomResizedCrop(Augmentation):
    """torchvision's RandomResizedCrop (Szegedy et al. 2015), back to the size that images have, bilinear.

    Attributes:
        least: Smallest share of the image's area that is kept.
        most: Largest share.
        ratio: Width by height is drawn from [1 / ratio, ratio], evenly on a logarithmic scale.
    """

    least: Annotated[float, Field(gt=0, le=1)] = 0.08
    most: Annotated[float, Field(gt=0, le=1)] = 1.0
    ratio: Annotated[float, Field(ge=1)] = 4 / 3

    @model_validator(mode="after")
    def _in_order(self) -> RandomResizedCrop:
        if self.least > self.most:
            raise ValueError("least is above most")
        return self

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with a part of each image enlarged; targets stay."""
        count, _, height, width = batch.images.shape
        return Batch(self.apply(batch.images, self.draw(count, height, width, random)), batch.targets)

    def draw(self, count: int, height: int, width: int, random: torch.Generator) -> torch.Tensor:
        """Return top, left, height and width of each part: int64 [4, N].

        As in torchvision the first of ten draws counts whose part lies within the image; if none does, the largest
        part in the middle whose ratio is allowed.
        """
        uniform = torch.rand(4, TRIES, count, generator=random, device=random.device)
        area = height * width * (self.least + (self.most - self.least) * uniform[0])
        ratio = torch.exp(log(self.ratio) * (2 * uniform[1] - 1))
        heights, widths = (area / ratio).sqrt().round().long(), (area * ratio).sqrt().round().long()
        fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
        first = fits.long().argmax(dim=0, keepdim=True)
        tall, wide = (each.gather(0, first)[0] for each in (heights, widths))
        top, left = (
            (each.gather(0, first)[0] * (room - size + 1)).long()
            for each, room, size in ((uniform[2], height, tall), (uniform[3], width, wide))
        )
        middle_height, middle_width = (
            min(height, round(width * self.ratio)),
            min(width, round(height * self.ratio)),
        )
        middle = (
            (height - middle_height) // 2,
            (width - middle_width) // 2,
            middle_height,
            middle_width,
        )
        found = fits.any(dim=0)
        drawn = (top, left, tall, wide)
        return torch.stack([torch.where(found, one, other) for one, other in zip(drawn, middle, strict=True)])

    def apply(self, images: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        """Return the parts [N, C, H, W]: rows and columns are mixed by a matrix each, so all images at once."""
        height, width = images.shape[2:]
        top, left, tall, wide = parts
        rows, columns = _mixing(height, top, tall), _mixing(width, left, wide)
        return (rows[:, None] @ images @ columns[:, None].transpose(2, 3)).clamp(0, 1)


def _mixing(length: int, start: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Return matrices float32 [N, length, length] that stretch `size` pixels from `start` on to the whole length.

    Linear interpolation between the middles of pixels; beyond the outermost middles their values stay.
    """
    places = torch.arange(length, device=start.device)
    at = ((places + 0.5) * (size / length)[:, None] - 0.5).clamp(min=0)
    below = torch.minimum(at.floor(), size[:, None] - 1.0)
    above = torch.minimum(below + 1, size[:, None] - 1.0)
    share = at - below
    source = places - start[:, None, None]
    return (source == below[..., None]) * (1 - share)[..., None] + (source == above[..., None]) * share[..., None]
