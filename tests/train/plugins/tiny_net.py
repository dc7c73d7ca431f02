from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from harness.contracts import NetworkModel, Task


class TinyNet(NetworkModel):
    """A convolution with batch normalization, pooling, dropout, a linear layer."""

    width: Annotated[int, Field(gt=0)] = 6
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(task.shape[2], self.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(self.dropout),
            nn.Linear(self.width * (task.shape[0] // 2) * (task.shape[1] // 2), len(task.classes)),
        )
