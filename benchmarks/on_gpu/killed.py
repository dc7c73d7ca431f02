"""A fit that checkpoints after every step; run as a program it tells its epochs, and kills itself amid one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Final

import torch

from benchmarks.on_gpu.fits import Hearing, Weights
from benchmarks.on_gpu.images import patterned
from harness.contracts import Listener, Recipe
from harness.data import task_of
from harness.plugins import Catalog
from harness.train import NetworkClassifier

RECIPE = Recipe.model_validate(
    {
        "epochs": 5,
        "batch_size": 16,
        "optimizer": {"name": "sgd", "lr": 0.05},
        "augment": [{"name": "flip"}, {"name": "crop", "pad": 2}, {"name": "color_jitter"}, {"name": "mixup"}],
        "label_smoothing": 0.1,
        "ema": {"decay": 0.9},
        "checkpoint": {"epochs": 1, "minutes": 1e-9},
    }
)
IMAGES, SIDE = 312, 16
WHOLE: Final = 3
"""Epochs before the one that is cut off: more than a resumed fit tells again."""


def train(path: Path | None, device: torch.device, listen: Listener) -> Weights:
    """Train, from the checkpoint where there is one, and return the weights."""
    data, catalog = patterned(IMAGES, SIDE), Catalog()
    model = catalog.realize("model", "small_cnn", {"width": 8, "dropout": 0.3})
    task = task_of(tuple("0123456789"), data)
    classifier = NetworkClassifier(model, RECIPE, task, 0, device, catalog, path)
    classifier.fit(data, None, listen)
    return {name: torch.from_numpy(value) for name, value in classifier.state().items()}


def tell_and_die(path: Path) -> Hearing:
    """Return a listener that says each epoch, and has the process killed in the midst of the one after `WHOLE`."""

    def hear(epoch: int, _: Mapping[str, float]) -> None:
        print(epoch, flush=True)
        if epoch == WHOLE:
            Thread(target=_die_after_saves, args=(path,), daemon=True).start()

    return Hearing(hear)


def _die_after_saves(path: Path) -> None:
    """Kill this process once the checkpoint has been replaced three times."""
    seen: set[int] = set()
    while len(seen) <= 3:
        time.sleep(1e-3)
        with contextlib.suppress(FileNotFoundError):  # between the two renames that replace it
            seen.add(path.stat().st_mtime_ns)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    checkpoint = Path(sys.argv[1])
    train(checkpoint, torch.device(sys.argv[2]), tell_and_die(checkpoint))
