"""A small VGG-like network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from harness.contracts import NetworkModel, Task

from ._layers import conv_norm_relu, pooled_head, require_size


class SmallVgg(NetworkModel):
    """Three stages of two 3x3 convolutions and a max pooling.

    Each convolution is followed by batch normalization and ReLU; then global average pooling and
    a linear layer. 1,148,874 parameters at 3 channels and 10 classes.

    Attributes:
        width: Channels of the first stage; the stages have 1, 2 and 4 times as many.
        norm: "batch", or "none" (the convolutions then carry a bias).
        dropout: Rate before the linear layer.
    """

    width: Annotated[int, Field(gt=0)] = 64
    norm: Literal["batch", "none"] = "batch"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        """Return the network; raises InputError for images below 8 pixels."""
        require_size("small_vgg", task, 8)
        layers: list[nn.Module] = []
        inputs = task.shape[2]
        for outputs in (self.width, 2 * self.width, 4 * self.width):
            layers += conv_norm_relu(inputs, outputs, self.norm)
            layers += conv_norm_relu(outputs, outputs, self.norm)
            layers.append(nn.MaxPool2d(2))
            inputs = outputs
        return nn.Sequential(*layers, *pooled_head(inputs, task, self.dropout))
