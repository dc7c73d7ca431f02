"""Building blocks that several networks share, and torchvision's ResNets with a stem for small images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn
from torchvision.models import ResNet

from harness.contracts import Task
from harness.errors import InputError

Norm = Literal["batch", "none"]


def conv_norm_relu(inputs: int, outputs: int, norm: Norm, stride: int = 1) -> tuple[nn.Module, ...]:
    """Return 3x3 convolution (padding 1), batch normalization if asked, ReLU.

    The convolution carries a bias only where no normalization follows, which would cancel it.
    """
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=norm == "none")
    if norm == "none":
        return convolution, nn.ReLU()
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


def pooled_head(inputs: int, task: Task, dropout: float) -> tuple[nn.Module, ...]:
    """Return global average pooling, dropout where it is not 0, and the linear classifier."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped(dropout), nn.Linear(inputs, len(task.classes))


def dropped(dropout: float) -> tuple[nn.Module, ...]:
    """Return a dropout layer, or nothing where the rate is 0."""
    return (nn.Dropout(dropout),) if dropout else ()


def require_size(name: str, task: Task, least: int) -> None:
    """Raise InputError if an image of the task is less than `least` pixels high or wide."""
    height, width, _ = task.shape
    if min(height, width) < least:
        raise InputError(
            f"{name}: images of {height} x {width} pixels are too small for its poolings, it needs at least "
            f"{least} x {least}; resize them (dataset.resize) or take another model"
        )


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
