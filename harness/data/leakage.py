"""What is there twice in a data set, within and across its splits: counts, classes, the first examples.

The same pixels by their digest; nearly the same picture by `harness.data.likeness`, and by `harness.data.aligned`
where one of two is mirrored or shifted. What such a search can miss is `NOT_FOUND`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Frozen, LabeledImages
from harness.data.aligned import Positions, Search, Shapes, learn, shapes_of
from harness.data.groups import SharedGroups
from harness.data.likeness import (
    Pairs,
    Vectors,
    digests,
    exact_across,
    exact_within,
    least_likeness,
    near_across,
    near_within,
    steps,
    vectors_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IMAGES: Final = 200_000
"""With more images near duplicates are not searched: the time grows with the square."""
NOT_FOUND: Final = (
    "seldom found are copies that are turned by more than three degrees or upside down, cropped at each side by more "
    "than a thirtieth, shifted by more than two pixels (a sixteenth of the side, where that is over 32), covered in "
    "part, or plain in the middle; nor other pictures of the same thing"
)
"""What a search for near duplicates that found none does not say, as the words of a report."""
ONLY_PLAIN: Final = f"mirrored and shifted copies were not looked for; {NOT_FOUND}"
"""The same of a search that was made before mirrored and shifted copies were looked for."""
EXAMPLES: Final = 20
MOST_NEAR: Final = np.float32(0.9999)
"""Likeness of near duplicates, which are not equal however alike their edges are."""
TOLERATED: Final = 0.001
"""Share of the test images that may be exact duplicates of training images: see `harness.audit.leakage` for why."""


TOLERATED_NEAR: Final = 0.05
"""The same of near duplicates, which leave the exact ones out."""


class Twin(Frozen):
    """Two images that are the same: positions in their splits, class names, likeness (1 is equal).

    Files are named where the source has any (see `Source.names`).
    """

    first: int
    second: int
    first_class: str
    second_class: str
    likeness: float
    first_file: str = ""
    second_file: str = ""
    change: str = ""
    """How one lies on the other, such as `mirrored` or `shifted by 1 x 2`; nothing where as it is."""

    @property
    def across(self) -> str:
        """It in words, where `first` is in train and `second` in test.

        >>> Twin(first=3, second=5, first_class="cat", second_class="dog", likeness=1, second_file="dog/7.png").across
        'test image dog/7.png (dog) equals train image 3 (cat)'
        """
        return self.between("test", "train")

    def between(self, second: str, first: str) -> str:
        """It in words, where `second` is in a split and `first` in another, or the same."""
        alike = "equals" if self.likeness == 1 and not self.change else f"is nearly ({self.likeness:.2f})"
        alike = f"is, {self.change}, {alike.removeprefix('is ')}" if self.change else alike
        one, other = self.second_file or self.second, self.first_file or self.first
        return f"{second} image {one} ({self.second_class}) {alike} {first} image {other} ({self.first_class})"


class Twins(Frozen):
    """Duplicates of one kind.

    `images` counts the images that have an earlier twin; across splits, the test images that have
    one in train. `disagreeing` counts those of them with a twin of another class.
    """

    images: int = 0
    pairs: int = 0
    disagreeing: int = 0
    mirrored: int = 0
    """How many of `images` have such a twin only if one is mirrored (and perhaps shifted)."""
    shifted: int = 0
    """How many have one only if it is shifted."""
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
    groups: SharedGroups | None = None
    """Which groups are on both sides; None where the data set names none."""
    least_likeness: float | None = None
    """The likeness from which pairs of this set count as near """
    least_moved_likeness: float | None = None
    """The same of pairs that are mirrored or shifted; None where those were not looked for."""

    @property
    def limits(self) -> str:
        """What the search for near duplicates cannot find; nothing where there was none."""
        if self.least_likeness is None:
            return ""
        return ONLY_PLAIN if self.least_moved_likeness is None else NOT_FOUND


def find_leakage(classes: tuple[str, ...], train: LabeledImages, test: LabeledImages | None, reason: str) -> Leakage:
    """Compare all images with all others; `reason` says why there is no test split."""
    count = len(train) + (len(test) if test else 0)
    searches_near = count <= MOST_IMAGES
    one = _look(train, searches_near)
    other = _look(test, searches_near) if test else None
    rules = None
    if one.vectors is not None and one.shapes is not None:
        least = least_likeness(one.vectors.edges)
        rules = _Rules(least, learn(one.shapes, least))
    if not searches_near:
        reason = f"{reason}; near duplicates are searched in at most {MOST_IMAGES:,} images".removeprefix("; ")
    found = {
        "exact_within_train": _exact_twins(one, None, classes),
        "near_within_train": _near(one, None, classes, rules),
    }
    if other is not None:
        found |= {
            "exact_within_test": _exact_twins(other, None, classes),
            "near_within_test": _near(other, None, classes, rules),
            "exact_across": _exact_twins(one, other, classes),
            "near_across": _near(one, other, classes, rules),
        }
    test_images = len(test) if test else None
    return Leakage(
        checked=other is not None,
        reason=reason,
        test_images=test_images,
        least_likeness=rules and rules.least,
        least_moved_likeness=rules and rules.moved.least_likeness,
        **found,
    )


def comparisons(train: int, test: int) -> int | None:
    """Return in how many steps so many images are compared for near duplicates, None where they are too many."""
    return None if train + test > MOST_IMAGES else 2 * steps(train, test)


@dataclass(frozen=True, slots=True)
class _Looked:
    labels: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    vectors: Vectors | None
    shapes: Shapes | None


@dataclass(frozen=True, slots=True)
class _Rules:
    """From when on two images of the set count as near duplicates: as they are, and moved."""

    least: float
    moved: Search


def with_names(found: Leakage, train: Sequence[str], test: Sequence[str]) -> Leakage:
    """Return the same with the files of its examples named; `train` and `test` [N] are empty where there are none."""
    of = {"train": train, "test": test}
    sides = {"within_train": ("train", "train"), "within_test": ("test", "test"), "across": ("train", "test")}
    changed = {}
    for kind in ("exact", "near"):
        for where, (first, second) in sides.items():
            twins: Twins = getattr(found, f"{kind}_{where}")
            named = tuple(_named(twin, of[first], of[second]) for twin in twins.examples)
            changed[f"{kind}_{where}"] = twins.model_copy(update={"examples": named})
    return found.model_copy(update=changed)


def _named(twin: Twin, first: Sequence[str], second: Sequence[str]) -> Twin:
    files = {"first_file": first[twin.first] if first else "", "second_file": second[twin.second] if second else ""}
    return twin.model_copy(update=files)


def _look(images: LabeledImages, with_vectors: bool) -> _Looked:
    vectors = vectors_of(images.images) if with_vectors else None
    shapes = shapes_of(images.images) if with_vectors else None
    return _Looked(images.labels, digests(images.images), vectors, shapes)


def _exact_twins(one: _Looked, other: _Looked | None, classes: tuple[str, ...]) -> Twins:
    second = one if other is None else other
    pairs = exact_within(one.digests) if other is None else exact_across(one.digests, second.digests)
    return _twins(pairs, Positions.unmoved(len(pairs)), one, second, classes)


def _near(one: _Looked, other: _Looked | None, classes: tuple[str, ...], rules: _Rules | None) -> Twins:
    second = one if other is None else other
    if rules is None or one.vectors is None or second.vectors is None or one.shapes is None or second.shapes is None:
        return Twins()
    if other is None:
        plain = near_within(one.vectors, rules.least)
        moved, positions = rules.moved.within(one.shapes)
    else:
        plain = near_across(one.vectors, second.vectors, rules.least)
        moved, positions = rules.moved.across(one.shapes, second.shapes)
    count = len(second.labels)
    is_new = ~np.isin(moved.first * count + moved.second, plain.first * count + plain.second)
    pairs = plain.joined(moved.where(is_new))
    lying = Positions.unmoved(len(plain)).joined(positions.where(is_new))
    pairs = replace(pairs, likeness=np.minimum(pairs.likeness, MOST_NEAR))
    unequal = one.digests[pairs.first] != second.digests[pairs.second]
    return _twins(pairs.where(unequal), lying.where(unequal), one, second, classes)


def _twins(pairs: Pairs, positions: Positions, one: _Looked, other: _Looked, classes: tuple[str, ...]) -> Twins:
    disagree = one.labels[pairs.first] != other.labels[pairs.second]
    best = np.argsort(-pairs.likeness, kind="stable")[:EXAMPLES]
    examples = tuple(
        Twin(
            first=int(pairs.first[each]),
            second=int(pairs.second[each]),
            first_class=classes[one.labels[pairs.first[each]]],
            second_class=classes[other.labels[pairs.second[each]]],
            likeness=round(float(pairs.likeness[each]), 4),
            change=positions.words(int(each)),
        )
        for each in best
    )
    unmoved = pairs.second[~positions.mirrored & ~positions.shift.any(axis=1)]
    shifted = np.setdiff1d(pairs.second[~positions.mirrored], unmoved)
    return Twins(
        images=len(np.unique(pairs.second)),
        pairs=len(pairs),
        disagreeing=len(np.unique(pairs.second[disagree])),
        mirrored=len(np.setdiff1d(pairs.second, pairs.second[~positions.mirrored])),
        shifted=len(shifted),
        examples=examples,
    )
