"""Which variants can be told apart on the test images: tiers, intervals and the pairs behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.tiers import tiers
from harness.report.intervals import Interval, intervals_of
from harness.report.numbers import amount
from harness.report.pairs import ALPHA, Family, Pair, all_pairs, tested, with_intervals
from harness.report.predictions import ImageSet, left_out
from harness.report.variants import Variant

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_COMPARED: Final = 40
"""Variants, the best ones, whose differences among each other are given intervals; tested are all."""


@dataclass(frozen=True, slots=True)
class Significance:
    """A study's variants on one set of test images, the best first."""

    dataset: str
    images: int
    variants: tuple[Variant, ...]
    tiers: tuple[int, ...]
    intervals: Mapping[str, tuple[Interval | None, ...]]
    """By metric, in the order of the variants."""
    pairs: tuple[Pair, ...]
    """`first` and `second` are places in `variants`, `first` the better one; those with the best and among the best."""
    comparisons: int
    single: int
    """Of the comparisons, how many are of one fitted model on both sides."""

    def place(self, variant: Variant) -> int | None:
        """Return a variant's place, None where it takes no part."""
        cells = variant.cells
        return next((place for place, each in enumerate(self.variants) if each.cells == cells), None)

    def interval(self, metric: str, place: int) -> Interval | None:
        """Return the interval of a variant's figure."""
        return self.intervals[metric][place] if metric in self.intervals else None

    def like_the_best(self) -> tuple[Variant, ...]:
        """Return the variants that cannot be told from the best."""
        return tuple(self.variants[pair.second] for pair in self.pairs if pair.first == 0 and not pair.differs)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All that can be said of the study's variants, one for each set of test images, and who takes no part."""

    sets: tuple[Significance, ...]
    left_out: Mapping[str, Sequence[str]]
    """Reason -> names."""

    def of(self, variant: Variant) -> tuple[Significance, int] | None:
        """Return where a variant was compared, and its place there."""
        found = ((each, place) for each in self.sets if (place := each.place(variant)) is not None)
        return next(found, None)

    def tier(self, variant: Variant) -> int | None:
        """Return a variant's tier, 1 for the best; None where it was not compared."""
        found = self.of(variant)
        return None if found is None else found[0].tiers[found[1]]


NOTHING_KNOWN: Final = Verdicts((), {})


def verdicts(variants: Sequence[Variant], sets: Sequence[ImageSet]) -> Verdicts:
    """Compare variants, the best first, on the test images that they share."""
    return Verdicts(
        sets=tuple(filter(None, (_significance(variants, each) for each in sets))),
        left_out=left_out(variants, sets),
    )


def method(found: Significance) -> str:
    """Return in words which test was made and how many times."""
    if not found.comparisons:
        return ""
    tests = []
    if found.single:
        tests.append("McNemar's exact test of two fitted models, where seeds make no difference or there is one")
    if found.single < found.comparisons:
        tests.append("a paired test over seeds and images, where seeds make a difference")
    return (
        f"{amount(found.comparisons, 'comparison')} on the same {found.images:,} test images ({'; '.join(tests)}), "
        f"p-values corrected together by Holm's method, level {ALPHA:.0%}.".replace("%", " %")
    )


def method_in_brief(found: Significance) -> str:
    """Return the same in few words."""
    tests = ["McNemar's exact test"] if found.single else []
    tests += ["a paired test over seeds and images"] if found.single < found.comparisons else []
    count = amount(found.comparisons, "comparison")
    return f"{' or '.join(tests)}, {count} on the same {found.images:,} test images, corrected by Holm's method."


def _significance(variants: Sequence[Variant], images: ImageSet) -> Significance | None:
    placed: dict[int, Variant] = {}
    for each in variants:
        place = images.place(each)
        if place is not None:
            placed.setdefault(place, each)  # a tuned experiment whose start won is two names of the same cells
    if not placed:
        return None
    order = {place: rank for rank, place in enumerate(placed)}
    family = tested(images, all_pairs(list(order)))
    ranks = _ranks(family, order)
    shown = np.flatnonzero((ranks.max(axis=1) < MOST_COMPARED) | (ranks.min(axis=1) == 0)).tolist()
    single = [len(images.answers[place].seeds) == 1 for place in order]
    return Significance(
        dataset=images.dataset,
        images=images.found.count,
        variants=tuple(placed.values()),
        tiers=tiers(_matrix(family, ranks, len(placed))),
        intervals=intervals_of(images, list(order)),
        pairs=tuple(_renumbered(pair, order) for pair in with_intervals(images, family, shown)),
        comparisons=len(family.p),
        single=sum(single) * (sum(single) - 1) // 2,
    )


def _ranks(family: Family, order: Mapping[int, int]) -> NDArray[np.int64]:
    """Return a family's places as ranks, int [P, 2]."""
    ranks = np.zeros(max(order) + 1, dtype=np.int64)
    ranks[list(order)] = list(order.values())
    return ranks[family.places]


def _matrix(family: Family, ranks: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Return whether two variants differ, bool [V, V], by rank."""
    differ = np.zeros((count, count), dtype=bool)
    differ[ranks[:, 0], ranks[:, 1]] = family.adjusted < ALPHA
    return differ | differ.T


def _renumbered(pair: Pair, order: Mapping[int, int]) -> Pair:
    return Pair(order[pair.first], order[pair.second], pair.difference, pair.low, pair.high, pair.p, pair.adjusted)
