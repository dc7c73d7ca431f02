"""How many images are there twice, within and across splits, as values that can be logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Frozen, LabeledImages
from harness.data import duplicates
from harness.data.duplicates import Pairs
from harness.data.likeness import Vectors, vectors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IMAGES: Final = 200_000
"""With more images near duplicates are not searched: the time grows with the square."""
EXAMPLES: Final = 20


class Twin(Frozen):
    """Two images that are the same: positions in their splits, class names, likeness (1 is equal)."""

    first: int
    second: int
    first_class: str
    second_class: str
    likeness: float


class Twins(Frozen):
    """Duplicates of one kind.

    `images` counts the images that have an earlier twin; across splits, the test images that have
    one in train. `disagreeing` counts those of them with a twin of another class.
    """

    images: int = 0
    pairs: int = 0
    disagreeing: int = 0
    examples: tuple[Twin, ...] = ()
    """The most alike, `first` before `second`; across splits `first` is in train."""


class Leakage(Frozen):
    """Duplicates within and across splits; `near` ones leave the exact ones out."""

    checked: bool
    """Whether train and test were compared."""
    reason: str = ""
    """Why they were not, or why near duplicates were not searched."""
    exact_within_train: Twins = Twins()
    near_within_train: Twins = Twins()
    exact_within_test: Twins = Twins()
    near_within_test: Twins = Twins()
    exact_across: Twins = Twins()
    near_across: Twins = Twins()
    test_images: int | None = None
    """How many test images were compared."""
    least_likeness: float | None = None
    """The likeness from which pairs of this set count as near duplicates."""


def find_leakage(classes: tuple[str, ...], train: LabeledImages, test: LabeledImages | None, reason: str) -> Leakage:
    """Compare all images with all others; `reason` says why there is no test split."""
    count = len(train) + (len(test) if test else 0)
    searches_near = count <= MOST_IMAGES
    one = _look(train, searches_near)
    other = _look(test, searches_near) if test else None
    least = duplicates.least_likeness(one.vectors.edges) if one.vectors else None
    if not searches_near:
        reason = f"{reason}; near duplicates are searched in at most {MOST_IMAGES:,} images".removeprefix("; ")
    found = {"exact_within_train": _exact(one, None, classes), "near_within_train": _near(one, None, classes, least)}
    if other is not None:
        found |= {
            "exact_within_test": _exact(other, None, classes),
            "near_within_test": _near(other, None, classes, least),
            "exact_across": _exact(one, other, classes),
            "near_across": _near(one, other, classes, least),
        }
    test_images = len(test) if test else None
    return Leakage(checked=other is not None, reason=reason, test_images=test_images, least_likeness=least, **found)


@dataclass(frozen=True, slots=True)
class _Looked:
    labels: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    vectors: Vectors | None


def _look(images: LabeledImages, with_vectors: bool) -> _Looked:
    vectors = vectors_of(images.images) if with_vectors else None
    return _Looked(images.labels, duplicates.digests(images.images), vectors)


def _exact(one: _Looked, other: _Looked | None, classes: tuple[str, ...]) -> Twins:
    if other is None:
        return _twins(duplicates.exact_within(one.digests), one, one, classes)
    return _twins(duplicates.exact_across(one.digests, other.digests), one, other, classes)


def _near(one: _Looked, other: _Looked | None, classes: tuple[str, ...], least: float | None) -> Twins:
    second = one if other is None else other
    if one.vectors is None or second.vectors is None or least is None:
        return Twins()
    if other is None:
        pairs = duplicates.near_within(one.vectors, least)
    else:
        pairs = duplicates.near_across(one.vectors, second.vectors, least)
    unequal = one.digests[pairs.first] != second.digests[pairs.second]
    return _twins(pairs.where(unequal), one, second, classes)


def _twins(pairs: Pairs, one: _Looked, other: _Looked, classes: tuple[str, ...]) -> Twins:
    disagree = one.labels[pairs.first] != other.labels[pairs.second]
    best = np.argsort(-pairs.likeness, kind="stable")[:EXAMPLES]
    examples = tuple(
        Twin(
            first=int(pairs.first[each]),
            second=int(pairs.second[each]),
            first_class=classes[one.labels[pairs.first[each]]],
            second_class=classes[other.labels[pairs.second[each]]],
            likeness=round(float(pairs.likeness[each]), 4),
        )
        for each in best
    )
    return Twins(
        images=len(np.unique(pairs.second)),
        pairs=len(pairs),
        disagreeing=len(np.unique(pairs.second[disagree])),
        examples=examples,
    )
