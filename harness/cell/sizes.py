"""How large models are and what a pass through them costs, from the networks themselves. Imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.contracts import Cell, ClassicalModel, Layer, Layout, NetworkModel, PlannedCell, Task
from harness.data.cache import origin_of, read_meta
from harness.errors import InputError
from harness.phases import phase
from harness.plugins import Catalog
from harness.train.trace import flops, parameter_count, trace


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


@dataclass(frozen=True, slots=True)
class Traced:
    """A network layer by layer, in the order of a forward pass, and as a whole."""

    layers: tuple[Layer, ...]
    parameters: int
    flops: int


def traced(model: ClassicalModel | NetworkModel, shape: tuple[int, int, int], classes: int) -> Traced | None:
    """Return the layers of a model for such images, None for a model that has none.

    Raises:
        InputError: the network cannot be built for images of this shape.
    """
    network = network_of(model, plain_task(shape, classes))
    if network is None:
        return None
    return Traced(tuple(trace(network, shape)), parameter_count(network), flops(network, shape))


def parameters_of(catalog: Catalog, shape: tuple[int, int, int], classes: int) -> dict[str, int | None]:
    """Return the parameters of each model of a catalog for such images, None where it has no layers or is too large."""
    task = plain_task(shape, classes)
    found: dict[str, int | None] = {}
    for name in catalog.names("model"):
        try:
            size = size_of(catalog.realize("model", name, {}), task)
        except InputError:  # too large for these images
            size = None
        found[name] = None if size is None else size.parameters
    return found


def sizes_of(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> dict[str, Size | InputError | None]:
    """Return each cell's size by its key: None for models without layers, an error where a model does not fit.

    Each distinct model is built once for each distinct image shape. Data sets are decoded where they are not cached.
    """
    known: dict[tuple[str, Layout], Size | InputError | None] = {}
    layouts: dict[str, Layout] = {}
    found: dict[str, Size | InputError | None] = {}
    with phase("counting the operations of networks"):
        for planned in cells:
            cell = planned.cell
            data = cell.dataset.model_dump_json()
            if data not in layouts:
                layouts[data] = read_meta(origin_of(cell.dataset, catalog, cache), "train").layout
            kind = (cell.model.model_dump_json(), layouts[data])
            if kind not in known:
                known[kind] = _size(cell, layouts[data], catalog)
            found[planned.key] = known[kind]
    return found


def known_sizes(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> Mapping[str, Size]:
    """Return the sizes by key of those cells whose network can be built."""
    sizes = sizes_of(cells, catalog, cache)
    return {key: size for key, size in sizes.items() if isinstance(size, Size)}


def _size(cell: Cell, layout: Layout, catalog: Catalog) -> Size | InputError | None:
    model = catalog.realize("model", cell.model.name, cell.model.options)
    try:
        return size_of(model, plain_task(layout.shape, len(layout.classes)))
    except InputError as error:
        return error
