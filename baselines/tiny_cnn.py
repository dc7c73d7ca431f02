"""A small convolutional network with a hidden linear layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from harness.contracts import NetworkModel, Task

from ._layers import conv_norm_relu, dropped, require_size


class TinyCnn(NetworkModel):
    """Blocks of two 3x3 convolutions with ReLU and a max pooling, then two linear layers.

    1,116,970 parameters at 32x32x3 and 10 classes, 814,122 with three blocks. (The lesson it comes
    from, T3 in `experiments/cifar10.yaml`, prints 1,121,450 and 817,802, which its own code does not give.)

    Attributes:
        blocks: 2, or 3 (which leaves less for the hidden layer to read).
        width: Channels of the first block; each block doubles them.
        hidden: Width of the hidden linear layer.
        dropout: Rate after the hidden layer's ReLU.
    """

    blocks: Literal[2, 3] = 2
    width: Annotated[int, Field(gt=0)] = 32
    hidden: Annotated[int, Field(gt=0)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def network(self, task: Task) -> nn.Module:
        """Return the network; raises InputError for images below 4 pixels (8 with three blocks)."""
        require_size("tiny_cnn", task, 2**self.blocks)
        height, width, inputs = task.shape
        layers: list[nn.Module] = []
        for outputs in (self.width * 2**block for block in range(self.blocks)):
            layers += conv_norm_relu(inputs, outputs, "none")
            layers += conv_norm_relu(outputs, outputs, "none")
            layers.append(nn.MaxPool2d(2))
            inputs = outputs
        pixels = (height >> self.blocks) * (width >> self.blocks)
        layers += [nn.Flatten(), nn.Linear(inputs * pixels, self.hidden), nn.ReLU(), *dropped(self.dropout)]
        return nn.Sequential(*layers, nn.Linear(self.hidden, len(task.classes)))
