"""Differences between variants on the same images: how large, how sure, and whether more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import components
from harness.measure.paired_tests import discordant, holm, mcnemar
from harness.measure.standard_errors import errors_of_differences, p_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.report.predictions import ImageSet

ALPHA: Final = 0.05
DIGITS: Final = 6
"""Kept of intervals and p-values: what is beyond depends on the machine's way to add floats."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Accuracy of `first` minus that of `second` (places in the image set), its 95 % interval, and p-values."""

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    """By Holm's correction over the whole family of comparisons."""

    @property
    def differs(self) -> bool:
        """Whether the two can be told apart."""
        return self.adjusted < ALPHA


@dataclass(frozen=True, slots=True)
class Family:
    """Comparisons that are corrected together: places (a, b) int [P, 2], p-values and adjusted ones [P]."""

    places: NDArray[np.int64]
    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]


def all_pairs(places: Sequence[int]) -> NDArray[np.int64]:
    """Return each two of some places once, int [P, 2]."""
    return np.array(list(combinations(places, 2)), dtype=np.int64).reshape(-1, 2)


def tested(images: ImageSet, places: NDArray[np.int64]) -> Family:
    """Test some pairs (a, b) int [P, 2]: McNemar's test where both have one seed, else over seeds and images."""
    single = np.array([len(each.seeds) == 1 for each in images.answers])
    difference = images.found.accuracies[places[:, 0]] - images.found.accuracies[places[:, 1]]
    p = np.ones(len(places))
    both = single[places].all(axis=1)
    if both.any():
        p[both] = _of_fitted_models(images, places[both])
    if not both.all():
        errors = errors_of_differences(images.found, images.spread, places[~both])
        p[~both] = p_values(difference[~both], errors)
    return Family(places, p, holm(p))


def with_intervals(images: ImageSet, family: Family, wanted: Iterable[int]) -> tuple[Pair, ...]:
    """Return some of a family's comparisons (by their number) with the bootstrap's intervals."""
    chosen = np.array(list(wanted), dtype=np.int64)
    places = family.places[chosen].reshape(-1, 2)
    if not len(places):
        return ()
    used, renumbered = np.unique(places, return_inverse=True)
    answers = [images.answers[place] for place in used]
    errors = errors_of_differences(images.found, images.spread, places)
    found = components(answers)
    drawn = resample(answers, found, draw_shares(found.count))
    ends = difference_intervals(renumbered.reshape(-1, 2), found, errors, drawn)
    means = images.found.accuracies
    rows = zip(places.tolist(), ends.tolist(), family.p[chosen], family.adjusted[chosen], strict=True)
    return tuple(
        Pair(a, b, float(means[a] - means[b]), round(low, DIGITS), round(high, DIGITS), _cut(p), _cut(adjusted))
        for (a, b), (low, high), p, adjusted in rows
    )


def _cut(p: float) -> float:
    return float(f"{p:.{DIGITS}g}")


def _of_fitted_models(images: ImageSet, places: NDArray[np.int64]) -> NDArray[np.float64]:
    used, renumbered = np.unique(places, return_inverse=True)
    counts = discordant(np.stack([images.answers[place].right[0] for place in used]))
    first, second = renumbered.reshape(-1, 2).T
    return mcnemar(counts[first, second], counts[second, first])
