"""How large a model is and what a pass through it costs, from the network itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from harness.contracts import ClassicalModel, NetworkModel, Task
from harness.train.trace import flops, parameter_count


@dataclass(frozen=True, slots=True)
class Size:
    """Trainable parameters, and floating-point operations of a forward pass over one image."""

    parameters: int
    flops: int


def plain_task(shape: tuple[int, int, int], classes: int) -> Task:
    """Return a task of this shape with made-up channel statistics, which sizes do not depend on."""
    channels = shape[2]
    return Task(tuple(map(str, range(classes))), shape, mean=(0.5,) * channels, std=(0.25,) * channels)


def network_of(model: ClassicalModel | NetworkModel, task: Task) -> torch.nn.Module | None:
    """Return an untrained network of the model, None for a model that is none; torch's generator is left alone.

    Raises:
        InputError: the network cannot be built for images of this shape.
    """
    if isinstance(model, ClassicalModel):
        return None
    with torch.random.fork_rng(devices=[]):
        return model.network(task)


def size_of(model: ClassicalModel | NetworkModel, task: Task) -> Size | None:
    """Return the size of a network; None for a model whose size is known only once it is fitted.

    Raises:
        InputError: the network cannot be built for images of this shape.
    """
    network = network_of(model, task)
    return None if network is None else Size(parameter_count(network), flops(network, task.shape))
