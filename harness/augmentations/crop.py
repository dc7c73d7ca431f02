"""A random window of the padded image."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional

from harness.contracts import Augmentation, Batch


class Crop(Augmentation):
    """Pad each side, then cut a window of the old size at a place of its own for each image.

    Attributes:
        pad: Pixels added on each side.
        mode: "zeros" pads with black, "reflect" mirrors the image without repeating its edge.
    """

    pad: Annotated[int, Field(gt=0)] = 4
    mode: Literal["zeros", "reflect"] = "zeros"

    def change(self, batch: Batch, random: torch.Generator) -> Batch:
        """Return the batch with each image shifted by up to `pad` pixels; targets stay."""
        return Batch(self.apply(batch.images, self.draw(len(batch.images), random)), batch.targets)

    def draw(self, count: int, random: torch.Generator) -> torch.Tensor:
        """Return top and left of each image's window in the padded image: int64 [2, N] in [0, 2 pad]."""
        return torch.randint(2 * self.pad + 1, (2, count), generator=random, device=random.device)

    def apply(self, images: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
        """Return the windows [N, C, H, W]: one padding of the batch, then one gather from a view of all windows."""
        height, width = images.shape[2:]
        padding = (self.pad,) * 4
        padded = functional.pad(images, padding, mode="constant" if self.mode == "zeros" else "reflect")
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        rows = torch.arange(len(images), device=images.device)
        return windows[rows, :, corners[0], corners[1]]
