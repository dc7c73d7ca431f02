"""The floor: always the most frequent class."""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from harness.contracts import ClassicalModel, Classifier, FitReport, LabeledImages, Listener, Task


class Majority(ClassicalModel):
    """Predicts the training images' most frequent class; the floor that every model must beat.

    Scores are the logarithms of the class frequencies, so one number a class is fitted and the
    loss is the entropy of the labels. Among equally frequent classes the first wins.
    """

    def build(self, task: Task, seed: int) -> Classifier:
        """Return the unfitted classifier; nothing about it is random."""
        return _ClassFrequencies(len(task.classes))


class _ClassFrequencies:
    probabilistic = True

    def __init__(self, classes: int) -> None:
        self._counts = np.ones(classes, np.int64)

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Count the labels."""
        started = perf_counter()
        self._counts = np.bincount(train.labels, minlength=len(self._counts)).astype(np.int64)
        return FitReport((), None, perf_counter() - started, None)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the same scores [K] for each image; a class never seen counts as half an image."""
        seen = np.maximum(self._counts, 0.5)
        scores = np.log(seen / seen.sum()).astype(np.float32)
        return np.tile(scores, (len(images), 1))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return `counts` [K]."""
        return {"counts": self._counts}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take the `counts` [K] of `state`."""
        self._counts = state["counts"].astype(np.int64)

    def parameter_count(self) -> int:
        """Return K."""
        return len(self._counts)
