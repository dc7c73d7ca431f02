"""From scores and labels to the figures that a cell reports, and what each image adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray


BINS = 15
"""As in Guo et al. 2017, so that figures can be compared."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Images by confidence in bins of equal width over (0, 1]; each array is [bins]."""

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Mean confidence of a bin's images; 0 where it has none."""
    accuracy: NDArray[np.float64]
    """Share of a bin's images that are classified right; 0 where it has none."""


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Sort images into bins ((m - 1) / bins, m / bins] by top-1 confidence [N] in [0, 1]; correct is [N]."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(place, minlength=bins).astype(np.int64)
    some = np.maximum(count, 1)
    return Reliability(
        count=count,
        confidence=np.bincount(place, weights=confidence, minlength=bins) / some,
        accuracy=np.bincount(place, weights=correct.astype(np.float64), minlength=bins) / some,
    )


def expected_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the mean gap between confidence [N] and accuracy over bins, weighted by their images.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3. Arguments as in `reliability`.
    """
    sorted_in = reliability(confidence, correct, bins)
    gaps = np.abs(sorted_in.accuracy - sorted_in.confidence)
    return float((sorted_in.count * gaps).sum() / sorted_in.count.sum())


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

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures by the last part of their metrics' names (`harness.contracts.metrics`)."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "loss": self.loss, "ece": self.ece}


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
