"""Which variants can be told apart on the same images: tests, intervals, letters and the pairs behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from harness.contracts.metrics import (
    TEST_ACCURACY,
    TEST_BALANCED,
    TEST_MACRO_F1,
    TEST_TOP_K,
    TEST_WORST_CLASS,
    TEST_WORST_GROUP,
    metric_of,
)
from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import (
    Components,
    apart,
    components,
    critical,
    errors_of_differences,
    errors_of_means,
    p_values,
)
from harness.measure.paired import discordant, holm, letters, mcnemar, share_interval, worth_of_class_means
from harness.measure.power import MOST_IMAGES, TEN, needed, smallest_difference
from harness.report.predictions import ImageSet, left_out
from harness.report.variants import BY_ACCURACY, Ranking, Variant
from harness.words import amount, metric_difference, metric_name, percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.report.predictions import ImageSet


ALPHA: Final = 0.05
Question: TypeAlias = Literal["recipes", "fits", "fit and recipe"]
"""What a comparison is about: what new seeds would give, two fitted models, or one fit against what new seeds give."""
DIGITS: Final = 6
"""Kept of intervals and p-values: what is beyond depends on the machine's way to add floats."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The figure of `first` minus that of `second` (places in the image set), its 95 % interval, and p-values."""

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    """By Holm's correction over the whole family of comparisons."""
    question: Question = "recipes"
    visible: float = 0.0
    """The smallest true difference that would have shown four times in five, at the level of the comparison."""
    seeds: int = 0
    """How many of each would tell the two apart if this is the true difference; 0 where none would, or they are."""
    images: int = 0
    """The same for images."""
    together: int = 0
    """The same for images with ten seeds of each."""

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


def needs(pair: Pair) -> str:
    """Return what would tell a pair apart, in words.

    >>> needs(Pair(0, 1, 0.01, -0.01, 0.03, 0.2, 0.6, seeds=7, images=1234))
    'about 7 seeds each or 1,200 images'
    """
    seeds = f"{pair.seeds} seeds each" if pair.seeds else ""
    images = f"{_rounded(pair.images)} images" if pair.images else ""
    either = " or ".join(filter(None, (seeds, images)))
    if not either and pair.together:
        either = f"{TEN} seeds each and {_rounded(pair.together)} images"
    return f"about {either}" if either else f"more than {TEN} seeds each and {MOST_IMAGES:,} images"


def _rounded(images: int) -> str:
    """Return a number with two figures."""
    return f"{round(images, 1 - int(math.log10(images))):,}"


def interval_points(low: float, high: float, metric: str = TEST_ACCURACY) -> str:
    """Return the ends of an interval of a difference, of shares in points.

    >>> interval_points(-0.0012, 0.0123), interval_points(-0.0012, 0.0123, "test/loss")
    ('[-0.12, +1.23]', '[-0.0012, +0.0123]')
    """
    ends = (metric_difference(metric, end, unit=False) for end in (low, high))
    return f"[{', '.join(ends)}]"


def all_pairs(places: Sequence[int]) -> NDArray[np.int64]:
    """Return each two of some places once, int [P, 2]."""
    return np.array(list(combinations(places, 2)), dtype=np.int64).reshape(-1, 2)


def tested(images: ImageSet, places: NDArray[np.int64]) -> Family:
    """Test some pairs (a, b) int [P, 2]: McNemar's test of two fitted models, else over seeds and images or groups.

    Nothing that other models do has a part in a pair's p-value, but for the number of comparisons.
    """
    single = np.array([_is_counted(images, place) for place in range(len(images.answers))])
    difference = images.found.accuracies[places[:, 0]] - images.found.accuracies[places[:, 1]]
    p = np.ones(len(places))
    both = single[places].all(axis=1)
    if both.any():
        p[both] = _of_fitted_models(images, places[both])
    if not both.all():
        errors = errors_of_differences(images.found, places[~both])
        p[~both] = p_values(difference[~both], errors)
    return Family(places, p, holm(p))


def with_intervals(images: ImageSet, family: Family, wanted: Iterable[int]) -> tuple[Pair, ...]:
    """Return some of a family's comparisons (by their number) with the bootstrap's intervals."""
    chosen = np.array(list(wanted), dtype=np.int64)
    places = family.places[chosen].reshape(-1, 2)
    if not len(places):
        return ()
    used, renumbered = np.unique(places, return_inverse=True)
    answers, groups = [images.answers[place] for place in used], images.groups
    errors = errors_of_differences(images.found, places)
    found = components(answers, groups)
    drawn = resample(answers, found, draw_shares(found.units), groups)
    most = 1.0 if metric_of(images.ranking.test).kind == "share" else np.inf
    ends = difference_intervals(renumbered.reshape(-1, 2), found, errors, drawn, most)
    means = images.found.accuracies
    level = ALPHA / max(1, int((family.adjusted >= ALPHA).sum()))
    more, visible = needed(images.found, places, level), smallest_difference(errors, level)
    rows = zip(places.tolist(), ends.tolist(), family.p[chosen], family.adjusted[chosen], visible.tolist(), strict=True)
    pairs = [
        Pair(
            a,
            b,
            float(means[a] - means[b]),
            round(low, DIGITS),
            round(high, DIGITS),
            _cut(p),
            _cut(adjusted),
            question=_question(images, a, b),
            visible=round(least, DIGITS),
        )
        for (a, b), (low, high), p, adjusted, least in rows
    ]
    return tuple(
        pair if pair.differs else replace(pair, seeds=int(seeds), images=int(count), together=int(both))
        for pair, seeds, count, both in zip(pairs, more.seeds, more.images, more.together, strict=True)
    )


def _is_counted(images: ImageSet, place: int) -> bool:
    """Whether a member is one fitted model whose figure is a share of images that are drawn one by one: McNemar's."""
    answers = images.answers[place]
    return len(answers.seeds) == 1 and answers.right.dtype == np.bool_ and images.groups is None


def _question(images: ImageSet, first: int, second: int) -> Question:
    single = images.members[first].is_one_fit + images.members[second].is_one_fit
    kinds: tuple[Question, ...] = ("recipes", "fit and recipe", "fits")
    return kinds[single]


def _cut(p: float) -> float:
    return float(f"{p:.{DIGITS}g}")


def _of_fitted_models(images: ImageSet, places: NDArray[np.int64]) -> NDArray[np.float64]:
    used, renumbered = np.unique(places, return_inverse=True)
    counts = discordant(np.stack([images.answers[place].right[0] for place in used]))
    first, second = renumbered.reshape(-1, 2).T
    return mcnemar(counts[first, second], counts[second, first])


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of a 95 % interval."""

    low: float
    high: float


def intervals_of(images: ImageSet, places: Sequence[int]) -> Mapping[str, tuple[Interval | None, ...]]:
    """Return each metric's intervals of some members, in their order; None where a member has no such figure."""
    metrics = dict.fromkeys(metric for place in places for metric in images.members[place].figures)
    found: dict[str, tuple[Interval | None, ...]] = {}
    for metric in metrics:
        having = [place for place in places if metric in images.members[place].figures]
        figures = apart([images.members[place].figures[metric] for place in having])
        each = dict(zip(having, _intervals(metric, figures, _worth(metric, figures, images)), strict=True))
        found[metric] = tuple(each.get(place) for place in places)
    return found


def _worth(metric: str, figures: Components, images: ImageSet) -> float:
    """Return how many images, or groups of them, a figure rests on, at most."""
    counts = np.bincount(images.images.labels)
    if metric in {TEST_ACCURACY, TEST_TOP_K}:
        return figures.units
    if metric == TEST_WORST_GROUP and images.images.groups is not None:
        return float(np.bincount(images.images.groups).min())
    if metric == TEST_WORST_CLASS:
        return float(counts[counts > 0].min())
    return min(figures.units, worth_of_class_means(counts))


def interval_text(metric: str, interval: Interval | None) -> str:
    """Return an interval in brackets, in the unit of its metric; empty where there is none."""
    if interval is None:
        return ""
    ends = (
        percent(each) if metric_of(metric).kind == "share" else f"{each:.3f}" for each in (interval.low, interval.high)
    )
    return f"[{', '.join(ends)}]"


def _intervals(metric: str, found: Components, worth: float) -> list[Interval]:
    """Return Wilson's intervals of shares that are the better the higher, symmetric ones of the others, from 0 on.

    Means over classes of what is right are never surer than as many images as they rest on, `worth`, make a share: one
    image of a class that happens to be right says little of that class.
    """
    errors = errors_of_means(found)
    means, standard, quantile = found.accuracies, errors.standard, critical(errors, ALPHA)
    row = metric_of(metric)
    if row.kind == "share" and row.direction == "maximize":
        if metric in {TEST_MACRO_F1, TEST_BALANCED}:
            standard = np.maximum(standard, np.sqrt(means * (1 - means) / worth))
        figures = zip(means.tolist(), standard.tolist(), quantile.tolist(), strict=True)
        ends = [share_interval(mean, error, worth, far) for mean, error, far in figures]
    else:
        low, high = np.maximum(means - quantile * standard, 0), means + quantile * standard
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    return [Interval(round(low, DIGITS), round(high, DIGITS)) for low, high in ends]


MOST_COMPARED: Final = 40
"""Variants, the best ones, whose differences among each other are given intervals; tested are all."""
MOST_LETTERED: Final = 100
"""Variants, the best ones, that have letters: of more nobody could read them."""


@dataclass(frozen=True, slots=True)
class Significance:
    """A study's variants on one set of test images, the best first."""

    dataset: str
    images: int
    variants: tuple[Variant, ...]
    letters: tuple[str, ...]
    """A compact letter display: two variants that share a letter cannot be told apart, two that share none can. Empty
    beyond the first `MOST_LETTERED`."""
    one_fit: tuple[bool, ...]
    """Whether a variant has one seed alone, so that what is said is about that fit."""
    groups: int
    """Groups in which the images lie, 0 where none are known."""
    intervals: Mapping[str, tuple[Interval | None, ...]]
    """By metric, in the order of the variants."""
    pairs: tuple[Pair, ...]
    """`first` and `second` are places in `variants`, `first` the better one; those with the best and among the best."""
    comparisons: int
    single: int
    """Of the comparisons, how many are by McNemar's test: of one fitted model on both sides."""
    ranking: Ranking = BY_ACCURACY
    """What ranks them, and what the comparisons are of."""

    def place(self, variant: Variant) -> int | None:
        """Return a variant's place, None where it takes no part."""
        cells = variant.cells
        return next((place for place, each in enumerate(self.variants) if each.cells == cells), None)

    @property
    def is_mixed(self) -> bool:
        """Whether some variants have one seed and others several: two questions in one table."""
        return any(self.one_fit) and not all(self.one_fit)

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

    def letters(self, variant: Variant) -> str:
        """Return a variant's letters; empty where it was not compared."""
        found = self.of(variant)
        return "" if found is None else found[0].letters[found[1]]


NOTHING_KNOWN: Final = Verdicts((), {})


def verdicts(variants: Sequence[Variant], sets: Sequence[ImageSet], by: Ranking = BY_ACCURACY) -> Verdicts:
    """Compare variants, the best first, on the test images that they share."""
    return Verdicts(
        sets=tuple(filter(None, (_significance(variants, each) for each in sets))),
        left_out=left_out(variants, sets, by),
    )


def method(found: Significance) -> str:
    """Return in words which test was made and how many times."""
    if not found.comparisons:
        return ""
    tests = []
    if found.single:
        tests.append("McNemar's exact test of two fitted models, where seeds make no difference or there is one")
    if found.single < found.comparisons:
        tests.append(f"a paired test over seeds and {_units(found)}, each variant's spread over seeds its own")
    return (
        f"{amount(found.comparisons, 'comparison')}{_of(found)} on the same {found.images:,} test images "
        f"({'; '.join(tests)}), "
        f"p-values corrected together by Holm's method, level {ALPHA:.0%}.".replace("%", " %")
    )


def method_in_brief(found: Significance) -> str:
    """Return the same in few words."""
    tests = ["McNemar's exact test"] if found.single else []
    tests += [f"a paired test over seeds and {_units(found)}"] if found.single < found.comparisons else []
    count = amount(found.comparisons, "comparison") + _of(found)
    return f"{' or '.join(tests)}, {count} on the same {found.images:,} test images, corrected by Holm's method."


def _of(found: Significance) -> str:
    return "" if found.ranking == BY_ACCURACY else f" of {metric_name(found.ranking.test).removeprefix('test ')}"


def _units(found: Significance) -> str:
    return f"{found.groups} groups of images" if found.groups else "images"


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
    groups = images.found.units if images.groups is not None else 0
    single = sum(_is_counted(images, place) for place in order)
    lettered = letters(_matrix(family, ranks, len(placed))[:MOST_LETTERED, :MOST_LETTERED])
    return Significance(
        dataset=images.dataset,
        images=images.found.count,
        variants=tuple(placed.values()),
        letters=(*map(_letters_text, lettered), *[""] * (len(placed) - len(lettered))),
        one_fit=tuple(images.members[place].is_one_fit for place in order),
        groups=groups,
        intervals=intervals_of(images, list(order)),
        pairs=tuple(_renumbered(pair, order) for pair in with_intervals(images, family, shown)),
        comparisons=len(family.p),
        single=single * (single - 1) // 2,
        ranking=images.ranking,
    )


def _letters_text(numbers: Sequence[int]) -> str:
    """Return letters by their numbers; where the alphabet is not enough, numbered and with spaces between.

    >>> _letters_text((0, 1)), _letters_text((2, 30))
    ('ab', 'c e2')
    """
    few = len(ascii_lowercase)
    names = [f"{ascii_lowercase[each % few]}{each // few + 1 if each >= few else ''}" for each in numbers]
    return (" " if max(numbers, default=0) >= few else "").join(names)


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
    return replace(pair, first=order[pair.first], second=order[pair.second])
