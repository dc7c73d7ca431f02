import torch
from torch import nn

from harness.contracts import NetworkModel, Task


class _Greedy(nn.Module):
    def __init__(self, task: Task) -> None:
        super().__init__()
        self.layer = nn.Linear(task.shape[2], len(task.classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images.mean(dim=(2, 3)))
        return logits + torch.empty(2**45, device=images.device)[0]


class GreedyNet(NetworkModel):
    """Wants 128 TiB."""

    def network(self, task: Task) -> nn.Module:
        return _Greedy(task)
