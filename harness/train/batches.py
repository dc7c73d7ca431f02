"""Images as uint8 on the device, and batches of them by one gather."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from harness.contracts import Batch, LabeledImages, Task
from harness.seeds import seed_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESIDENT_SHARE: Final = 0.5
"""Images that would take more of a device's free memory than this stay in host memory."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Labeled images ready to be gathered.

    `images` uint8 [N, H, W, C] is on `device`, or in host memory where it is too large for that;
    `labels` int64 [N], `targets` float32 [K, K] (a one-hot row a class) and `lots` float32 [N] in [0, 1) (drawn once
    for each image) are on the device.
    """

    images: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor
    lots: torch.Tensor
    device: torch.device

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_resident(self) -> bool:
        """Whether the images are on the device, so that a batch needs nothing from the host."""
        return self.images.device == self.device

    def gather(self, rows: torch.Tensor, epoch: torch.Tensor | None = None) -> Batch:
        """Return the images at `rows` (int64 [B], on the device) as a batch, channels last in memory."""
        pixels = self.images.index_select(0, rows.to(self.images.device))
        targets = self.targets.index_select(0, self.labels[rows])
        return Batch(as_float(to_device(pixels, self.device)), targets, self.lots.index_select(0, rows), epoch)


def make_pool(data: LabeledImages, classes: int, device: torch.device, seed: int = 0) -> Pool:
    """Put images (if they fit), labels, one-hot rows and lots (drawn on the CPU, by the seed) on the device."""
    images = as_tensor(data.images)
    if device.type == "cpu" or images.nbytes <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        images = images.to(device)
    labels = torch.tensor(data.labels, dtype=torch.int64, device=device)
    lots = torch.rand(len(labels), generator=torch.Generator().manual_seed(seed_for(seed, "lots"))).to(device)
    return Pool(images, labels, torch.eye(classes, device=device), lots, device)


def as_tensor(images: NDArray[np.uint8]) -> torch.Tensor:
    """Return the array as a tensor of the same shape and memory; it may be read-only and is never written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(images)


def as_float(pixels: torch.Tensor) -> torch.Tensor:
    """Return uint8 [B, H, W, C] as float32 [B, C, H, W] in [0, 1], channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


class Normalize:
    """Subtract the mean and divide by the standard deviation of each channel, in one pass."""

    def __init__(self, task: Task, device: torch.device) -> None:
        mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (task.mean, task.std))
        self.device = device
        self._scale = (1 / std).float().to(device)
        self._shift = (-mean / std).float().to(device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 [B, C, H, W] normalized, in the memory format it came in."""
        return torch.addcmul(self._shift, images, self._scale)


def batch_sizes(count: int, batch_size: int, most: int | None = None) -> tuple[int, ...]:
    """Return the sizes of an epoch's batches; every image is in one, the last batch may be smaller.

    A single image left over joins the batch before it: batch normalization cannot train on one.

    Args:
        count: Number of images.
        batch_size: Size of all batches but the last.
        most: Number of batches after which an epoch is cut off; None for all.
    """
    sizes = [batch_size] * (count // batch_size)
    left = count % batch_size
    if left == 1 and sizes:
        sizes[-1] += 1
    elif left:
        sizes.append(left)
    return tuple(sizes[:most])


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the tensor, of any shape, on the device; the host does not wait for the copy."""
    if tensor.device == device or device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
