import torch
from torch import nn

from harness.contracts import NetworkModel, Task


class _Limited(nn.Module):
    def __init__(self, task: Task, most: int) -> None:
        super().__init__()
        height, width, channels = task.shape
        self.layer = nn.Linear(height * width * channels, len(task.classes))
        self.most = most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training and len(images) > self.most:
            raise torch.OutOfMemoryError(f"no room for {len(images)} images")
        logits: torch.Tensor = self.layer(images.flatten(1))
        return logits


class LimitedNet(NetworkModel):
    """Trains on no more than `most` images at a time, as if memory ran out; no batch normalization."""

    most: int = 16

    def network(self, task: Task) -> nn.Module:
        return _Limited(task, self.most)
