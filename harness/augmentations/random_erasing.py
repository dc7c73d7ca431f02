"""A rectangular hole of random size and shape."""

from __future__ import annotations

import math
from typing import Annotated, Final

import torch
from pydantic import Field, model_validator

from harness.augmentations._draws import inside
from harness.contracts import Augmentation, Batch

ATTEMPTS: Final = 10
Above = Annotated[float, Field(gt=0)]


class RandomErasing(Augmentation):
    """Zhong et al. 2020, algorithm 1, as torchvision draws it: ten attempts, the first that fits.

    Attributes:
        p: Probability that an image is changed.
        scale: Least and largest share of the image's area that is erased.
        ratio: Least and largest height of the rectangle as a multiple of its width.
        value: What erased pixels get, in [0, 1].
    """

    p: Annotated[float, Field(ge=0, le=1)] = 0.5
    scale: tuple[Above, Above] = (0.02, 0.33)
    ratio: tuple[Above, Above] = (0.3, 3.3)
    value: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _in_order(self) -> RandomErasing:
        if self.scale[0] > self.scale[1] or self.scale[1] > 1:
            raise ValueError(f"scale {self.scale} must be two shares, the smaller first")
        if self.ratio[0] > self.ratio[1]:
            raise ValueError(f"ratio {self.ratio} must name the smaller first")
        return self

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with a rectangle of some images erased; targets stay."""
        count, _, height, width = batch.images.shape
        return Batch(self.apply(batch.images, self.draw(count, height, width, random)), batch.targets)

    def draw(self, count: int, height: int, width: int, random: torch.Generator) -> torch.Tensor:
        """Return top, bottom, left, right (exclusive ends) of each rectangle: int64 [4, N], all 0 for none."""
        uniform = torch.rand(ATTEMPTS, 4, count, generator=random, device=random.device)
        erased = torch.rand(count, generator=random, device=random.device) < self.p
        area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * uniform[:, 0])
        low, high = (math.log(limit) for limit in self.ratio)
        ratio = torch.exp(low + (high - low) * uniform[:, 1])
        heights, widths = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
        tops = (uniform[:, 2] * (height - heights + 1)).floor()
        lefts = (uniform[:, 3] * (width - widths + 1)).floor()
        fits = (heights < height) & (widths < width) & erased
        boxes = torch.stack((tops, tops + heights, lefts, lefts + widths)) * fits
        first = fits.int().argmax(dim=0)
        return boxes.gather(1, first.expand(4, 1, count))[:, 0].long()

    def apply(self, images: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Return the images with the rectangles erased."""
        return images.masked_fill(inside(boxes, *images.shape[2:]), self.value)
