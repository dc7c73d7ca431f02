"""What all measurements share: device, images, recipes, sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.on_gpu.images import dataset_of, random_splits, read_splits
from benchmarks.on_gpu.machine import matmul_peak
from harness.contracts import Cell, LabeledImages, Recipe, Splits, Task
from harness.data import task_of
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.train import NetworkClassifier
from harness.train.device import number_format

ROOT: Final = Path(__file__).parents[2]
SPEED: Final = "speed.yaml"
CIFAR10: Final = "cifar10.yaml"
NEEDS_CUDA: Final = "needs CUDA"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; the defaults are what is reported."""

    side: int = 32
    images: int = 45_000
    held_out: int = 5_000
    most_epochs: int = 1_000
    most_batch: int = 1_000_000
    agreement_steps: int = 50
    agreement_batch: int = 64
    equal_steps: int = 20
    """Full batches of an epoch where bits are compared."""
    svm_images: int = 10_000
    precision_epochs: int = 8
    parts_batch: int = 1024
    rounds: int = 3
    tutorial_images: int = 20_000
    loader_workers: int = 4
    matrix: int = 8192
    seeds: int = 5


TINY: Final = Sizes(
    side=16,
    images=16,
    held_out=10,
    most_epochs=1,
    most_batch=8,
    agreement_steps=3,
    agreement_batch=8,
    equal_steps=4,
    svm_images=16,
    precision_epochs=1,
    parts_batch=16,
    rounds=1,
    tutorial_images=8,
    loader_workers=0,
    matrix=128,
    seeds=2,
)
"""Enough to see that everything runs; figures mean nothing."""


class Bench:
    """Device, images and recipes; nothing is loaded before it is asked for."""

    def __init__(  # noqa: PLR0917
        self, device: torch.device, sizes: Sizes, data: Path | None, cache: Path, images: int | None, test: bool
    ) -> None:
        self.device, self.sizes, self.cache, self.opens_test = device, sizes, cache, test
        self.catalog = Catalog()
        self.dataset = dataset_of(data, images, sizes.held_out) if data else None
        self._images = images or sizes.images

    @property
    def needs_cuda(self) -> str:
        """What a measurement that is about CUDA lacks here; empty where it lacks nothing."""
        return "" if self.device.type == "cuda" else NEEDS_CUDA

    @cached_property
    def splits(self) -> Splits:
        """Training and validation images."""
        if self.dataset is not None:
            return read_splits(self.dataset, self.catalog, self.cache)
        held_out = min(self.sizes.held_out, max(1, self._images // 2))
        return random_splits(self._images, held_out, self.sizes.side)

    @cached_property
    def task(self) -> Task:
        """Classes, image shape and channel statistics of the training images."""
        return task_of(self.splits.classes, self.splits.train)

    @cached_property
    def peak(self) -> float:
        """Operations a second of a large matrix product in the format that networks are trained in here."""
        return matmul_peak(self.device, self.format, self.sizes.matrix)

    @property
    def format(self) -> torch.dtype:
        """The number format that `precision: auto` is here."""
        return number_format("auto", self.device)

    def cell(self, file: str, experiment: str) -> Cell:
        """Return the first cell of an experiment in `experiments/`, its recipe cut to the sizes."""
        study = load_study(ROOT / "experiments" / file, self.catalog, only=experiment)
        cell = next(each.cell for each in study.cells if each.places[0].experiment == experiment)
        if cell.recipe is None:
            return cell
        epochs = min(cell.recipe.epochs, self.sizes.most_epochs)
        batch_size = min(cell.recipe.batch_size, self.sizes.most_batch)
        recipe = cell.recipe.model_copy(update={"epochs": epochs, "batch_size": batch_size})
        return cell.model_copy(update={"recipe": recipe})

    def network(self, cell: Cell, device: torch.device | None = None, **more: Any) -> NetworkClassifier:
        """Return the classifier of a cell that has a recipe, unfitted, on this device or another."""
        assert cell.recipe is not None
        return self.classifier(cell.model.name, dict(cell.model.options), cell.recipe, cell.seed, device, **more)

    def classifier(
        self,
        model: str,
        options: dict[str, Any],
        recipe: Recipe,
        seed: int = 0,
        device: torch.device | None = None,
        **more: Any,
    ) -> NetworkClassifier:
        """Return a network with a recipe; `more` goes to NetworkClassifier."""
        realized = self.catalog.realize("model", model, options)
        where = device or self.device
        return NetworkClassifier(realized, recipe, self.task, seed, where, self.catalog, **more)

    def some(self, count: int) -> LabeledImages:
        """Return the first training images, repeated where there are not as many."""
        train = self.splits.train
        rows = torch.arange(count).remainder(len(train)).numpy()
        return LabeledImages(train.images[rows], train.labels[rows], train.index[rows])
