"""Four convolutions with batch normalization."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from harness.contracts import NetworkModel, Task

from ._layers import conv_norm_relu, pooled_head, require_size


class FourConv(NetworkModel):
    """Two stages of two 3x3 convolutions and a max pooling.

    Each convolution is followed by batch normalization and ReLU; then global average pooling and
    a linear layer. Widths of our own choice; with these, 261,834 parameters at 3 channels and 10 classes.

    Attributes:
        width: Channels of the first two convolutions; the other two have twice as many.
        norm: "batch", or "none" (the convolutions then carry a bias).
        dropout: Rate before the linear layer.
    """

    width: Annotated[int, Field(gt=0)] = 64
    norm: Literal["batch", "none"] = "batch"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        """Return the network; raises InputError for images below 4 pixels."""
        require_size("four_conv", task, 4)
        wide = 2 * self.width
        return nn.Sequential(
            *conv_norm_relu(task.shape[2], self.width, self.norm),
            *conv_norm_relu(self.width, self.width, self.norm),
            nn.MaxPool2d(2),
            *conv_norm_relu(self.width, wide, self.norm),
            *conv_norm_relu(wide, wide, self.norm),
            nn.MaxPool2d(2),
            *pooled_head(wide, task, self.dropout),
        )
