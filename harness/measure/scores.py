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
LATER = ("balanced_accuracy", "top_k", "auc", "worst_class", "worst_group")
"""Figures that runs of earlier versions have not recorded, though their predictions give them."""
GUESSES = ((10, 5), (6, 3), (3, 2))
"""From so many classes on the top k counts: of fewer classes so many guesses would be right nearly always."""


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


def guesses(classes: int) -> int | None:
    """Return the k of top-k accuracy for so many classes; None of two, which has none.

    >>> [guesses(classes) for classes in (2, 4, 6, 100)]
    [None, 2, 3, 5]
    """
    return next((most for fewest, most in GUESSES if classes >= fewest), None)


def ranks_of_true(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many classes have a higher score than the true one, [N], of equals those that come first."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    is_first = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(((scores > own) | ((scores == own) & is_first)).sum(axis=1), dtype=np.int64)


def balanced_accuracy_values(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return values [N] whose mean is the mean recall over classes that have images, and whose spread is its own.

    Recall of a class moves by (right - recall) / its images with each of them (the infinitesimal jackknife, as for
    `macro_f1_values`).
    """
    support = np.bincount(labels)
    recall = np.bincount(labels, weights=right) / np.maximum(support, 1)
    occurs = support > 0
    influence = (right - recall[labels]) / support[labels]
    return np.asarray(recall[occurs].mean() + influence * len(labels) / occurs.sum(), dtype=np.float64)


def worst_values(right: NDArray[np.bool_], parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return values [N] whose mean is the lowest accuracy of any part, and whose spread is that part's.

    Args:
        right: Whether each image's class was found, [N].
        parts: Each image's class, or group, as a number from 0, [N].
    """
    support = np.bincount(parts)
    share = np.divide(np.bincount(parts, weights=right), support, out=np.full(len(support), np.inf), where=support > 0)
    worst = int(share.argmin())
    influence = np.where(parts == worst, right - share[worst], 0) * (len(parts) / support[worst])
    return np.asarray(share[worst] + influence, dtype=np.float64)


def auc_values(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return values [N] whose mean is one-against-rest AUC, the mean over classes, and whose spread is its own.

    A class's AUC is the chance that an image of it has a higher score of it than one of another class, ties for half
    (Hanley and McNeil 1982, Radiology 143); an image's part in that is its placement value (DeLong, DeLong and
    Clarke-Pearson 1988, Biometrics 44). Classes without an image, and one that has all, are left out.

    Args:
        scores: What a class's images are to have more of than others, [N, K].
        labels: True classes [N].

    Returns:
        None where all images are of one class.
    """
    count, support = len(labels), np.bincount(labels, minlength=scores.shape[1])
    occurs = np.flatnonzero((support > 0) & (support < count))
    if not len(occurs):
        return None
    total = np.zeros(count)
    for each in occurs:
        own = labels == each
        column, images = scores[:, each], int(support[each])
        above = np.empty(count)  # an image's placement value: the share of the others that it is on the right side of
        above[own] = _share_below(column[own], np.sort(column[~own]))
        above[~own] = 1 - _share_below(column[~own], np.sort(column[own]))
        auc = above[own].mean()
        total += auc + (above - auc) * (count / np.where(own, images, count - images))
    return np.asarray(total / len(occurs), dtype=np.float64)


def _share_below(values: NDArray[np.floating], ascending: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return which share of the others is below each value, [N], ties for half."""
    below, up_to = (np.searchsorted(ascending, values, side) for side in ("left", "right"))
    return np.asarray((below + up_to) / (2 * len(ascending)), dtype=np.float64)


def image_values(
    scores: NDArray[np.floating],
    labels: NDArray[np.int64],
    probabilistic: bool,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.bool_] | NDArray[np.float64]]:
    """Return what each image adds to each figure, [N], by the last part of its metric's name.

    The mean of the values is the figure, their spread over images what the figure's own follows from, so that all
    figures have their intervals and paired tests in the same way. Figures that there are not are not among them.
    Arguments as in `evaluate`.
    """
    predicted: NDArray[np.int64] = np.asarray(scores.argmax(axis=1), dtype=np.int64)
    right: NDArray[np.bool_] = np.asarray(predicted == labels)
    most = guesses(scores.shape[1])
    logs = log_softmax(scores) if probabilistic else None
    auc = auc_values(scores if logs is None else logs, labels)
    found: dict[str, NDArray[np.bool_] | NDArray[np.float64]] = {
        "accuracy": right,
        "balanced_accuracy": balanced_accuracy_values(right, labels),
        "macro_f1": macro_f1_values(predicted, labels, scores.shape[1]),
        "worst_class": worst_values(right, labels),
    }
    if groups is not None and groups.max(initial=0) > 0:
        found["worst_group"] = worst_values(right, groups)
    if most is not None:
        found["top_k"] = np.asarray(ranks_of_true(scores, labels) < most)
    if auc is not None:
        found["auc"] = auc
    if logs is not None:
        found |= {"loss": loss_values(logs, labels), "ece": calibration_values(np.exp(logs.max(axis=1)), right)}
    return found


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
    others: dict[str, float]
    """What else there is, by the last part of its metric's name: a figure that the predictions do not give is not."""

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures by the last part of their metrics' names (`harness.contracts.metrics`)."""
        first = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "loss": self.loss, "ece": self.ece}
        return first | self.others


def evaluate(
    scores: NDArray[np.floating],
    labels: NDArray[np.int64],
    probabilistic: bool,
    groups: NDArray[np.str_] | NDArray[np.int64] | None = None,
) -> Scores:
    """Measure scores [N, K] (the largest of a row wins, the first of equals) against labels [N].

    Args:
        scores: Logits where `probabilistic`, else any margins, [N, K].
        labels: True classes [N], each in [0, K).
        probabilistic: Whether softmax of the scores is a probability; if not, no loss and no ECE.
        groups: What each image's group is called, [N], where groups are known.

    Raises:
        TrainingError: scores that are not numbers, as a diverged fit gives them.
        ValueError: shapes that do not fit, no images, or a label outside [0, K).
    """
    _check(scores, labels)
    confusion = confusion_matrix(labels, scores.argmax(axis=1), scores.shape[1])
    per_class = class_scores(confusion)
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    loss, ece = _probability_scores(scores, labels) if probabilistic else (None, None)
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]
    values = image_values(scores, labels, probabilistic, numbers)
    return Scores(
        accuracy=float(np.trace(confusion) / len(labels)),
        macro_f1=float(per_class.f1[occurs].mean()),
        loss=loss,
        ece=ece,
        confusion=confusion,
        per_class=per_class,
        others={name: float(values[name].mean()) for name in LATER if name in values},
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
