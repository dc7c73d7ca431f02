"""ResNets of torchvision with a stem for small images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn
from torchvision.models import ResNet

from harness.contracts import Task
from harness.train.layers import dropped

Stem = Literal["cifar", "imagenet"]


def adapted_resnet(make: Callable[..., ResNet], task: Task, stem: Stem, dropout: float) -> ResNet:
    """Return `make`'s network (untrained) for the task's channels and classes.

    stem "cifar": 3x3 convolution with stride 1 and no max pooling, so a 32x32 image reaches the
    blocks at 32x32; "imagenet": the stock 7x7 stride 2 and max pooling, which leave 8x8 of it.
    """
    network = make(weights=None, num_classes=len(task.classes))
    channels = task.shape[2]
    if stem == "cifar":
        network.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != network.conv1.in_channels:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    if dropout:
        network.fc = nn.Sequential(*dropped(dropout), network.fc)
    return network
