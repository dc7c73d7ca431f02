"""The training loop of a tutorial: DataLoader, PIL transforms, unfused optimizer, channels first, a wait each step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from harness.contracts import LabeledImages, Task

PATIENCE: float = 120.0
"""Seconds after which a loader's workers are taken for dead."""


class PilImages(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images as PIL images through a transform, as torchvision's data sets hand them out."""

    def __init__(self, data: LabeledImages, transform: Callable[[Any], torch.Tensor]) -> None:
        self._images = [to_pil_image(image) for image in data.images]
        self._labels, self._transform = data.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[row]), self._labels[row]


class TutorialLoop:
    """A network, an optimizer and a loader, as a tutorial has them."""

    def __init__(
        self,
        data: LabeledImages,
        task: Task,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        augment: Sequence[Any],
        batch_size: int,
        workers: int = 0,
        label_smoothing: float = 0.0,
    ) -> None:
        """Take the network, on its device, and the optimizer over its parameters."""
        shown = transforms.Compose([*augment, transforms.ToTensor(), transforms.Normalize(task.mean, task.std)])
        self._loader = DataLoader(
            PilImages(data, shown), batch_size, shuffle=True, num_workers=workers, timeout=PATIENCE if workers else 0
        )
        self._network, self._optimizer = network, optimizer
        self._criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self._device = next(network.parameters()).device

    def epoch(self) -> float:
        """Train an epoch and return images per second."""
        self._network.train()
        begun, images, total = time.perf_counter(), 0, 0.0
        for batch, labels in self._loader:
            self._optimizer.zero_grad()
            loss = self._criterion(self._network(batch.to(self._device)), labels.to(self._device))
            loss.backward()
            self._optimizer.step()
            total += loss.item()
            images += len(batch)
        return images / (time.perf_counter() - begun)
