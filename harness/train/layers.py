"""Building blocks that several networks share."""

from __future__ import annotations

from typing import Literal

from torch import nn

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
