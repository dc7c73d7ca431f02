"""A multilayer perceptron with one hidden layer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from harness.contracts import NetworkModel, Task

from ._layers import dropped


class Mlp(NetworkModel):
    """Flatten, linear, ReLU, linear; 1,578,506 parameters at 32x32x3 and 10 classes.

    Attributes:
        hidden: Width of the hidden layer.
        dropout: Rate after the hidden layer's ReLU.
    """

    hidden: Annotated[int, Field(gt=0)] = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        """Return the network for the task's image size and classes."""
        height, width, channels = task.shape
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(height * width * channels, self.hidden),
            nn.ReLU(),
            *dropped(self.dropout),
            nn.Linear(self.hidden, len(task.classes)),
        )
