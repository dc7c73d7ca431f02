"""How large models are and what a pass through them costs, from the networks themselves. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import psutil
import torch

from harness import words
from harness.contracts import Cell, ClassicalModel, Layout, NetworkModel, PlannedCell, Recipe, Task
from harness.data.cache import origin_of, read_meta
from harness.errors import HarnessError, InputError
from harness.phases import phase
from harness.plugins import Catalog
from harness.train.classifier import told_of_single_images
from harness.train.trace import Trace, trace
from harness.train.weights import Freezing

BYTES_A_PARAMETER: Final = 4
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Size:
    """Trainable parameters, and floating-point operations of a forward pass over one image."""

    parameters: int
    flops: int


def plain_task(shape: tuple[int, int, int], classes: int) -> Task:
    """Return a task of this shape with made-up channel statistics, which sizes do not depend on."""
    channels = shape[2]
    return Task(tuple(map(str, range(classes))), shape, mean=(0.5,) * channels, std=(0.25,) * channels)


def size_of(model: ClassicalModel | NetworkModel, task: Task, recipe: Recipe | None = None) -> Size | None:
    """Return the size of a network; None for a model whose size is known only once it is fitted.

    Args:
        model: Any model.
        task: What it is to tell apart.
        recipe: How it is to be trained, where that is to be possible too.

    Raises:
        InputError: the network cannot be built for images of this shape, has no score a class, does not fit into this
            machine's memory, or cannot be trained by the recipe.
    """
    if isinstance(model, ClassicalModel):
        return None
    return _looked_at(model, task, lambda network: _checked(network, model, task, recipe))


def traced(model: ClassicalModel | NetworkModel, shape: tuple[int, int, int], classes: int) -> Trace | None:
    """Return the layers of a model for such images, None for a model that has none.

    Raises:
        InputError: the network cannot be built for images of this shape.
    """
    if isinstance(model, ClassicalModel):
        return None
    return _looked_at(model, plain_task(shape, classes), lambda network: trace(network, shape))


def _looked_at(model: NetworkModel, task: Task, look: Callable[[torch.nn.Module], Found]) -> Found:
    """Return what is found in an untrained network: in one without memory where that will do, else in a real one.

    Torch's generator is left alone.
    """
    for device in ("meta", "cpu"):
        try:
            with torch.random.fork_rng(devices=[]), torch.device(device):
                return look(model.network(task))
        except HarnessError:
            raise
        except Exception as error:  # without memory: what looks at the values of its tensors
            fault = error
    raise _unfit(model, task, fault)


def _unfit(model: ClassicalModel | NetworkModel, task: Task, fault: Exception) -> InputError:
    height, width, channels = task.shape
    images = f"images of {height} x {width} pixels with {words.amount(channels, 'channel')}"
    error = InputError(f"{_name(model)} cannot take {images}: {type(fault).__name__}: {fault}")
    error.__cause__ = fault
    return error


def _checked(network: torch.nn.Module, model: NetworkModel, task: Task, recipe: Recipe | None) -> Size:
    found = trace(network, task.shape)
    needed, there = BYTES_A_PARAMETER * found.parameters, psutil.virtual_memory().total
    if needed > there:
        text = f"its weights need {words.size(needed)} of memory, this machine has {words.size(there)}"
        raise InputError(f"{_name(model)}: {text}")
    wanted = (1, len(task.classes))
    if found.output != wanted:
        raise InputError(
            f"{_name(model)}: gives scores of shape {list(found.output)} for one image, not {list(wanted)}"
        )
    if recipe is not None:
        Freezing(network, recipe.freeze)
        if recipe.batch_size == 1:
            height, width, channels = task.shape
            with told_of_single_images(_name(model)), torch.no_grad():
                network.train()(torch.zeros(1, channels, height, width, device=next(network.parameters()).device))
    return Size(found.parameters, found.flops)


def _name(model: ClassicalModel | NetworkModel) -> str:
    """Return a model's name in a matrix file, which is that of its file."""
    return type(model).__module__.rpartition(".")[2]


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


def sizes_of(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> dict[str, Size | HarnessError | None]:
    """Return each cell's size by its key: None for models without layers, an error where a model does not fit.

    Each distinct model is built once for each distinct image shape. Data sets are decoded where they are not cached.
    """
    known: dict[tuple[object, ...], Size | HarnessError | None] = {}
    layouts: dict[str, Layout] = {}
    found: dict[str, Size | HarnessError | None] = {}
    with phase("counting the operations of networks"):
        for planned in cells:
            cell = planned.cell
            data = cell.dataset.model_dump_json()
            if data not in layouts:
                layouts[data] = read_meta(origin_of(cell.dataset, catalog, cache), "train").layout
            trained = cell.recipe and (cell.recipe.freeze, cell.recipe.batch_size == 1)
            kind = (cell.model.model_dump_json(), layouts[data], trained)
            if kind not in known:
                known[kind] = _size(cell, layouts[data], catalog)
            found[planned.key] = known[kind]
    return found


def known_sizes(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> Mapping[str, Size]:
    """Return the sizes by key of those cells whose network can be built."""
    sizes = sizes_of(cells, catalog, cache)
    return {key: size for key, size in sizes.items() if isinstance(size, Size)}


def _size(cell: Cell, layout: Layout, catalog: Catalog) -> Size | HarnessError | None:
    model = catalog.realize("model", cell.model.name, cell.model.options)
    task = plain_task(layout.shape, len(layout.classes))
    try:
        if isinstance(model, ClassicalModel):
            model.build(task, seed=0)  # which says whether the images suit it
        return size_of(model, task, cell.recipe)
    except HarnessError as error:
        return error
    except Exception as error:  # of a stranger's model: its cell will say so, a plan is not to end by it
        return _unfit(model, task, error)
