"""The nearest training images decide: a classifier over features that keeps them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from harness.contracts import FitReport, LabeledImages, Listener
from harness.errors import DataError

_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class NeighborsProblem:
    """What the neighbors vote on: `features` turns images [N, H, W, C] into rows [N, D] of numbers."""

    name: str
    classes: int
    neighbors: int
    features: Callable[[NDArray[np.uint8]], NDArray[np.generic]]


class NeighborsClassifier:
    """Votes of the nearest training images by Euclidean distance, counted by scikit-learn; a `contracts.Classifier`.

    Scores are logarithms of (votes + 1) / (neighbors + classes), Laplace's rule, so that no class is impossible.
    """

    probabilistic = True

    def __init__(self, problem: NeighborsProblem) -> None:
        self._problem = problem
        self._rows: NDArray[np.generic] = np.empty((0, 0), np.uint8)
        self._labels = np.empty(0, np.int64)

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Keep the training images' features.

        Raises:
            DataError: there are fewer images than neighbors.
        """
        started = perf_counter()
        if len(train) < self._problem.neighbors:
            wanted = f"{self._problem.name}: {self._problem.neighbors} neighbors are asked for"
            raise DataError(f"{wanted} and there are {len(train)} training images; set model.neighbors lower")
        self._rows, self._labels = self._problem.features(train.images), train.labels
        return FitReport((), None, perf_counter() - started, None)

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return scores [N, K]."""
        count, classes = self._problem.neighbors, self._problem.classes
        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(self._rows.astype(np.float32))
        scores = [np.empty((0, classes), np.float32)]
        for at in range(0, len(images), _CHUNK):
            rows = self._problem.features(images[at : at + _CHUNK]).astype(np.float32)
            nearest = self._labels[search.kneighbors(rows, return_distance=False)]
            votes = (nearest[..., None] == np.arange(classes)).sum(axis=1)
            scores.append(np.log((votes + 1) / (count + classes)).astype(np.float32))
        return np.concatenate(scores)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return `rows` [N, D] and `labels` [N] of the training images."""
        return {"rows": self._rows, "labels": self._labels}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take the arrays of `state`."""
        self._rows, self._labels = state["rows"], state["labels"].astype(np.int64)

    def parameter_count(self) -> int:
        """Return 0: nothing is fitted, the images are kept."""
        return 0
