"""Train the recipe of `test_killed`, telling each finished epoch on stdout; run as a program to be killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch

from harness.contracts import FitReport, SealedSet
from harness.train import NetworkClassifier
from tests.train.conftest import AUGMENT, classifier, recipe, shuffled_labels

RECIPE = recipe(
    epochs=6,
    augment=(*AUGMENT, {"name": "color_jitter", "hue": 0.1}, {"name": "cutout", "size": 3}),
    optimizer={"name": "sgd", "lr": 0.1, "momentum": 0.9},
    schedule={"name": "one_cycle", "warmup_epochs": 0.5},
    ema={"decay": 0.95},
    keep="best",
    checkpoint={"epochs": 1, "minutes": 1e-9},
)


class Teller:
    """Tells epochs, then rests a moment so that whoever kills has the time to."""

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        print(epoch, flush=True)  # noqa: T201
        time.sleep(0.02)

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        raise AssertionError("training opens no test set")


def train(path: Path | None, listen: Teller, epochs: int = RECIPE.epochs) -> tuple[NetworkClassifier, FitReport]:
    """Train with one thread, checkpointing after every step."""
    torch.set_num_threads(1)
    made = classifier(RECIPE.model_copy(update={"epochs": epochs}), seed=5, checkpoint=path, dropout=0.4)
    return made, made.fit(shuffled_labels(90), shuffled_labels(40, seed=1), listen)


if __name__ == "__main__":
    train(Path(sys.argv[1]), Teller(), int(sys.argv[2]))
