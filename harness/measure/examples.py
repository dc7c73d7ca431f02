"""A few images that stand for a classifier's right and wrong answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.galleries import confident_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Examples:
    """Images uint8 [M, H, W, C] with their true and predicted classes [M]; rows of one kind are neighbors."""

    images: NDArray[np.uint8]
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.true)


@dataclass(frozen=True, slots=True)
class Answers:
    """Some images whose class was found, and some taken for another."""

    right: Examples
    wrong: Examples


def answers_of(
    images: NDArray[np.uint8], labels: NDArray[np.int64], scores: NDArray[np.floating], probabilistic: bool = True
) -> Answers:
    """Return at most six right answers and six wrong ones, of as many true classes as there are.

    The wrong ones are the most confident; the right ones are of middling confidence, since the surest look
    all alike.

    Args:
        images: uint8 [N, H, W, C]; may be memory-mapped, only what is chosen is read.
        labels: True classes [N].
        scores: Logits where `probabilistic`, else margins, [N, K].
        probabilistic: Whether softmax of the scores is a probability.
    """
    right = np.flatnonzero(scores.argmax(axis=1) == labels)
    best = np.sort(scores[right], axis=1)[:, -2:]
    middling = _from_middle(right[np.lexsort((right, best[:, -1] - best[:, 0]))])
    wrong = confident_errors(labels, scores, probabilistic).place
    shown = (_spread(place, labels) for place in (middling, wrong))
    return Answers(*(_examples(images, labels, scores, place) for place in shown))


def _from_middle(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values from the middle outwards."""
    return ordered[np.argsort(np.abs(np.arange(len(ordered)) - (len(ordered) - 1) / 2), kind="stable")]


def _spread(place: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most six of the places, in their order: the first of each class before the second of any."""
    seen: Counter[int] = Counter()
    turn = np.empty(len(place), dtype=np.int64)
    for row, label in enumerate(labels[place].tolist()):
        turn[row] = seen[label]
        seen[label] += 1
    return place[np.sort(np.argsort(turn, kind="stable")[:SHOWN])]


def _examples(
    images: NDArray[np.uint8], labels: NDArray[np.int64], scores: NDArray[np.floating], place: NDArray[np.int64]
) -> Examples:
    chosen = np.stack([images[int(each)] for each in place]) if len(place) else images[:0]
    return Examples(np.asarray(chosen), labels[place], scores[place].argmax(axis=1))
