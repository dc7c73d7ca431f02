from __future__ import annotations

import torch
from torch import nn

from harness.contracts import NetworkModel, Task


class CuriousNet(NetworkModel):
    """A linear layer that looks at a value of its input in each pass, which a GPU's host has to wait for."""

    def network(self, task: Task) -> nn.Module:
        height, width, channels = task.shape
        return _Curious(height * width * channels, len(task.classes))


class _Curious(nn.Module):
    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.flatten(1)
        logits: torch.Tensor = self.linear(flat)
        return logits if float(flat.abs().max()) > 0 else 0 * logits
