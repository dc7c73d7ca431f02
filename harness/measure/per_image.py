"""Figures as means over images: what each image adds, so that all figures' standard errors are found alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.measure.calibration import BINS
from harness.measure.scores import class_scores, confusion_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray


def loss_values(logs: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each image's cross-entropy in nats, [N], of log probabilities [N, K]; their mean is the loss."""
    return -logs[np.arange(len(labels)), labels]


def macro_f1_values(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return values [N] whose mean is macro-F1 and whose spread is its own, for large N.

    Each is macro-F1 plus the image's influence on it (the infinitesimal jackknife, Efron and Tibshirani 1993,
    section 11.5): F1 = 2 hits / (predicted + true), so an image changes it in its true and in its predicted class.
    """
    confusion = confusion_matrix(labels, predicted, classes)
    f1 = class_scores(confusion).f1
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurs = total > 0
    each = np.divide(f1, total, out=np.zeros(classes), where=occurs)
    hit = np.divide(2.0, total, out=np.zeros(classes), where=occurs)
    influence = np.where(labels == predicted, hit[labels], 0) - each[labels] - each[predicted]
    return np.asarray(f1[occurs].mean() + influence * len(labels) / occurs.sum(), dtype=np.float64)


def calibration_values(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS
) -> NDArray[np.float64]:
    """Return values [N] whose mean is the expected calibration error: each image's gap, signed as its bin's is."""
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    gap = confidence - right
    sign = np.sign(np.bincount(place, weights=gap, minlength=bins))
    return np.asarray(sign[place] * gap, dtype=np.float64)
