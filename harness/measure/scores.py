"""From scores and labels to the figures that a cell reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import TrainingError
from harness.measure.calibration import expected_calibration_error

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PerClass:
    """One value a class, float64 [K] (support int64 [K]); 0 where a ratio has no denominator."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scores:
    """How well predictions fit labels; accuracy, macro_f1 and ece are shares in [0, 1]."""

    accuracy: float
    macro_f1: float
    """Mean F1 of the classes that occur among labels or predictions, as in scikit-learn."""
    loss: float | None
    """Mean cross-entropy in nats; None for scores that are no logits."""
    ece: float | None
    """Expected calibration error; None for scores that are no logits."""
    confusion: NDArray[np.int64]
    """Counts [K, K]; row = true class, column = predicted class."""
    per_class: PerClass


def evaluate(scores: NDArray[np.floating], labels: NDArray[np.int64], probabilistic: bool) -> Scores:
    """Measure scores [N, K] (the largest of a row wins, the first of equals) against labels [N].

    Args:
        scores: Logits where `probabilistic`, else any margins, [N, K].
        labels: True classes [N], each in [0, K).
        probabilistic: Whether softmax of the scores is a probability; if not, no loss and no ECE.

    Raises:
        TrainingError: scores that are not numbers, as a diverged fit gives them.
        ValueError: shapes that do not fit, no images, or a label outside [0, K).
    """
    _check(scores, labels)
    confusion = confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
    per_class = class_scores(confusion)
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    loss, ece = _probability_scores(scores, labels) if probabilistic else (None, None)
    return Scores(
        accuracy=float(np.trace(confusion) / len(labels)),
        macro_f1=float(per_class.f1[occurs].mean()),
        loss=loss,
        ece=ece,
        confusion=confusion,
        per_class=per_class,
    )


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.integer], class_count: int) -> NDArray[np.int64]:
    """Return counts [K, K] of true class (row) and predicted class (column), both given as [N]."""
    flat = np.bincount(labels * class_count + predicted, minlength=class_count * class_count)
    return flat.reshape(class_count, class_count).astype(np.int64)


def class_scores(confusion: NDArray[np.int64]) -> PerClass:
    """Return precision, recall, F1 and support of each class from a confusion matrix [K, K]."""
    hits = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    return PerClass(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, predicted + support),
        support=support,
    )


def log_softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return log probabilities [N, K] of logits [N, K], computed in float64."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float64)


def _probability_scores(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[float, float]:
    logs = log_softmax(scores)
    loss = -logs[np.arange(len(labels)), labels].mean()
    correct = scores.argmax(axis=1) == labels
    return float(loss), expected_calibration_error(np.exp(logs.max(axis=1)), correct)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _check(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> None:
    if scores.ndim != 2 or len(scores) != len(labels) or not len(labels):
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} are no [N, K] and [N] with N > 0")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} with {scores.shape[1]} classes")
    wrong = ~np.isfinite(scores.max(axis=1))
    if wrong.any():
        first = int(wrong.argmax())
        raise TrainingError(f"the scores of {int(wrong.sum())} of {len(labels)} images are not finite (first: {first})")
