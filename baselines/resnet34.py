"""ResNet-34 for small images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn
from torchvision.models import resnet34

from harness.contracts import NetworkModel, Task

from ._layers import adapted_resnet


class ResNet34(NetworkModel):
    """He et al. 2016, as torchvision builds it, untrained, with a stem for small images.

    21,282,122 parameters at 3 channels and 10 classes; 21,289,802 with the stock stem.

    Attributes:
        stem: "cifar" (3x3 convolution, stride 1, no max pooling) or "imagenet" (torchvision's own).
        dropout: Rate before the linear layer.
    """

    stem: Literal["cifar", "imagenet"] = "cifar"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def network(self, task: Task) -> nn.Module:
        """Return the network; any image size will do, its strided convolutions are padded."""
        network: nn.Module = adapted_resnet(resnet34, task, self.stem, self.dropout)
        return network
