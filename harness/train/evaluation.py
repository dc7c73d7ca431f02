"""Logits of images in large batches, plain and with test-time augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from harness.contracts import Task
from harness.train.batches import Normalize, Pool, as_float
from harness.train.trace import evaluating

PIXELS_PER_BATCH: Final = {"cpu": 2**19, "cuda": 2**21}
Views = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


def plain(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the images [N, C, H, W] alone."""
    return (images,)


def flip(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the images [N, C, H, W] and their mirror images."""
    return images, images.flip(-1)


def ten_crop(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return four corners and the center of the padded images [N, C, H, W], each with its mirror image.

    Padding is an eighth of the smaller side (4 pixels at 32), by reflection, so that the crops have
    the images' size and every network takes them (Krizhevsky et al. 2012, section 4.1, for the idea).
    """
    height, width = images.shape[2:]
    pad = max(1, min(height, width) // 8)
    padded = functional.pad(images, (pad,) * 4, mode="reflect")
    corners = ((0, 0), (0, 2 * pad), (2 * pad, 0), (2 * pad, 2 * pad), (pad, pad))
    crops = [padded[:, :, top : top + height, left : left + width] for top, left in corners]
    return tuple(view for crop in crops for view in flip(crop))


def flip_shift(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the images [N, C, H, W], and them moved by a pixel to the top left and bottom right, each mirrored too.

    Padding is by reflection. These are the six views of airbench94 (Jordan 2024, section 3.5), there with half the
    weight for those that are moved, here all alike.
    """
    height, width = images.shape[2:]
    padded = functional.pad(images, (1,) * 4, mode="reflect")
    moved = (padded[:, :, at : at + height, at : at + width] for at in (0, 2))
    return tuple(view for each in (images, *moved) for view in flip(each))


VIEWS: Final[dict[str, Views]] = {"none": plain, "flip": flip, "flip_shift": flip_shift, "ten_crop": ten_crop}
"""`recipe.tta` -> the views of an image whose logits are averaged."""


class Evaluator:
    """Forward passes in evaluation mode and full precision, whatever training ran in.

    Logits rounded to bf16 tie and blur probabilities; a figure should not depend on that.
    """

    def __init__(self, task: Task, device: torch.device, channels_last: bool) -> None:
        self._device = device
        self._normalize = Normalize(task, device)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        height, width, _ = task.shape
        self.batch_size = max(1, PIXELS_PER_BATCH[device.type] // (height * width))

    def logits(self, network: nn.Module, images: torch.Tensor, views: Views = plain) -> torch.Tensor:
        """Return logits float32 [N, K] on the device, the mean over the views of each image.

        `images` uint8 [N, H, W, C] may be on the device or in host memory.
        """
        with evaluating(network), torch.inference_mode():
            return torch.cat([self._mean(network, chunk, views) for chunk in torch.split(images, self.batch_size)])

    def loss_and_accuracy(self, network: nn.Module, pool: Pool, most: int | None) -> tuple[float, float]:
        """Return mean cross-entropy and share of right answers over the pool, or its first `most` batches."""
        count = len(pool) if most is None else min(len(pool), most * self.batch_size)
        logits, labels = self.logits(network, pool.images[:count]), pool.labels[:count]
        loss = functional.cross_entropy(logits, labels)
        accuracy = (logits.argmax(1) == labels).double().mean()
        return float(loss), float(accuracy)

    def _mean(self, network: nn.Module, pixels: torch.Tensor, views: Views) -> torch.Tensor:
        images = self._normalize(as_float(pixels.to(self._device)))
        outputs = [network(view.contiguous(memory_format=self._layout)).float() for view in views(images)]
        return outputs[0] if len(outputs) == 1 else torch.stack(outputs).mean(dim=0)
