"""A tiny network, easy images, and a listener that remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.contracts import Choice, LabeledImages, Recipe, SealedSet, Task
from harness.plugins import Catalog
from harness.train import NetworkClassifier

PLUGINS = Path(__file__).parent / "plugins"
TASK = Task(("cat", "dog", "emu", "fox"), (8, 8, 3), (0.4, 0.45, 0.5), (0.25, 0.2, 0.3))
CPU = torch.device("cpu")
TIMES = {"images_per_second", "epoch_seconds"}
CATALOG = Catalog([PLUGINS])

AUGMENT = (Choice(name="crop", pad=1), Choice(name="flip"), Choice(name="mixup"))


@dataclass
class Diary:
    """Remembers epochs; raises from the epoch `stop_at`."""

    stop_at: int | None = None
    epochs: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.epochs.append((epoch, metrics))
        if epoch == self.stop_at:
            raise Pruned

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        raise AssertionError("training opens no test set")


class Pruned(Exception):  # noqa: N818
    """What a listener raises to end a fit."""


def pictures(count: int, seed: int = 0) -> LabeledImages:
    """Noise whose brightness tells the class, most of the time."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    images = (random.integers(0, 130, (count, 8, 8, 3)) + 40 * labels[:, None, None, None]).astype(np.uint8)
    images.setflags(write=False)  # as from a memory-mapped cache
    return LabeledImages(images, labels, np.arange(count))


def shuffled_labels(count: int, seed: int = 0) -> LabeledImages:
    data = pictures(count, seed)
    return LabeledImages(data.images, np.random.default_rng(seed + 1).permutation(data.labels), data.index)


def recipe(**settings: Any) -> Recipe:
    sgd, often = {"name": "sgd", "lr": 0.05}, {"epochs": 1}
    chosen: dict[str, Any] = {"epochs": 2, "batch_size": 16, "optimizer": sgd, "checkpoint": often, **settings}
    return Recipe.model_validate(chosen)


def classifier(  # noqa: PLR0917
    settings: Recipe,
    seed: int = 0,
    checkpoint: Path | None = None,
    max_batches: int | None = None,
    device: torch.device = CPU,
    model: str = "tiny_net",
    **options: Any,
) -> NetworkClassifier:
    network = CATALOG.realize("model", model, options)
    return NetworkClassifier(network, settings, TASK, seed, device, CATALOG, checkpoint, max_batches)


def without_times(history: Any) -> list[dict[str, float]]:
    return [{name: value for name, value in metrics.items() if name not in TIMES} for metrics in history]


def assert_same_bits(first: NetworkClassifier, second: NetworkClassifier) -> None:
    left, right = first.state(), second.state()
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert np.array_equal(value, right[name]), f"{name} differs"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
