"""A linear classifier over features, fitted by an estimator such as scikit-learn's."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from harness.contracts import FitReport, LabeledImages, Listener
from harness.errors import DataError, TrainingError
from harness.train.device import peak_bytes, reset_peak, told_plainly

_CHUNK: Final = 1024
_LOG: Final = logging.getLogger(__name__)

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From images [N, H, W, C] to features [N, D]."""


@dataclass(frozen=True, slots=True)
class LinearProblem:
    """What a linear classifier is fitted to do.

    `name` is the model's, for messages; `dimensions` is D, the number of features of an image;
    `probabilistic` says whether softmax of the scores is a probability; `on_pixels` whether each
    feature is one pixel's channel, in the order of an image [H, W, C].
    """

    name: str
    classes: int
    dimensions: int
    features: Features
    probabilistic: bool
    on_pixels: bool = False


class LinearClassifier:
    """Scores features @ coef.T + intercept, one column a class; implements `contracts.Classifier`.

    A class without a training image keeps its column, always one below the lowest other score.
    """

    def __init__(self, problem: LinearProblem, estimator: Any, device: str = "cpu") -> None:
        """Take an unfitted estimator with `coef_`, `intercept_`, `classes_`, `n_iter_`, `max_iter`.

        `device` is where features and estimator do their work; what they take and return, and the
        scores, are in host memory.
        """
        self.probabilistic = problem.probabilistic
        self._problem = problem
        self._estimator = estimator
        self._device = torch.device(device)
        self._coef = np.zeros((problem.classes, problem.dimensions))
        self._intercept = np.zeros(problem.classes)
        self._present = np.zeros(problem.classes, dtype=np.bool_)

    def fit(self, train: LabeledImages, validation: LabeledImages | None, listen: Listener) -> FitReport:
        """Fit on `train`.

        Raises:
            DataError: `train` holds fewer than two classes.
            OutOfMemoryError: names model and device.
        """
        started = perf_counter()
        if len(np.unique(train.labels)) < 2:
            raise DataError(f"{self._problem.name}: the training images are all of one class")
        reset_peak(self._device)
        with told_plainly(self._problem.name, None, self._device):
            self._solve(self._in_chunks(train.images), train.labels)
        self._take_solution()
        return FitReport((), None, perf_counter() - started, peak_bytes(self._device))

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return scores [N, K]; raises OutOfMemoryError as `fit` does."""
        chunks = (images[at : at + _CHUNK] for at in range(0, len(images), _CHUNK))
        with told_plainly(self._problem.name, None, self._device):
            scores = [self._score(chunk) for chunk in chunks]
        return np.concatenate([np.empty((0, self._problem.classes), np.float32), *scores])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return `coef` [K, D], `intercept` [K] and `present` [K] (classes seen in training)."""
        return {"coef": self._coef, "intercept": self._intercept, "present": self._present}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take the arrays of `state`, coefficients [K, D] and what belongs to them."""
        self._coef = state["coef"].astype(np.float64)
        self._intercept = state["intercept"].astype(np.float64)
        self._present = state["present"].astype(np.bool_)

    def parameter_count(self) -> int:
        """Return K * (D + 1)."""
        return self._problem.classes * (self._problem.dimensions + 1)

    def contributions(self, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what each feature adds to the score of one class [N] an image, [N, D]."""
        if not len(images):
            return np.empty((0, self._problem.dimensions))
        return self._problem.features(images) * self._coef[classes]

    @property
    def sees_pixels(self) -> bool:
        """Whether each feature is one pixel's channel, in the order of an image [H, W, C]."""
        return self._problem.on_pixels

    def _in_chunks(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        features = np.empty((len(images), self._problem.dimensions), np.float32)
        for at in range(0, len(images), _CHUNK):
            features[at : at + _CHUNK] = self._problem.features(images[at : at + _CHUNK])
        return features

    def _solve(self, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._estimator.fit(features, labels)
        if np.max(self._estimator.n_iter_) >= self._estimator.max_iter:
            _LOG.warning(
                "%s: stopped after %d iterations before it converged; model.max_iter allows more",
                self._problem.name,
                self._estimator.max_iter,
            )

    def _take_solution(self) -> None:
        """Spread the estimator's rows over all classes; of two classes it has the second's row only."""
        coef, intercept = self._estimator.coef_, np.atleast_1d(self._estimator.intercept_)
        if len(coef) == 1:
            coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise TrainingError(f"{self._problem.name}: the solution has values that are not finite")
        self._present = np.isin(np.arange(self._problem.classes), self._estimator.classes_)
        self._coef[self._present], self._intercept[self._present] = coef, intercept

    def _score(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        scores = self._problem.features(images) @ self._coef.T + self._intercept
        scores[:, ~self._present] = scores[:, self._present].min(axis=1, keepdims=True, initial=np.inf) - 1
        return scores.astype(np.float32)
