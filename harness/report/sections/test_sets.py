"""Several test sets: what each experiment reaches on each, and what it loses between the first and each other one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.contracts.metrics import TEST_ACCURACY
from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import components, errors_of_differences
from harness.report.blocks import Column, Section, Table, Value, named
from harness.report.context import Context
from harness.report.predictions import ImageSet, image_sets
from harness.report.significance import Interval, interval_points, interval_text, intervals_of
from harness.report.variants import Variant, share_value
from harness.words import NOTHING, percent, points

LARGE: Final = 0.05
"""A drop that is larger than this, with its whole interval, is told on the first page."""
MOST_TOLD: Final = 2
NOTE: Final = (
    "A drop is the accuracy on the first test set minus that on another, with its 95 % interval for new images and, "
    "where there are several, new seeds: by a paired bootstrap over images where both hold images with the same labels "
    "in the same order, such as clean and corrupted ones; else, the images being others, from the intervals of both "
    "(Newcombe 1998, Statistics in Medicine 17, method 10)"
)


@dataclass(frozen=True, slots=True)
class OnSet:
    """What a variant reached on one of several test sets; `drop` is from the first to it."""

    name: str
    accuracy: float
    interval: Interval | None
    drop: float = 0.0
    drop_interval: Interval | None = None
    is_paired: bool = False


def section(context: Context) -> Section | None:
    """Return a table with accuracy on each test set and what is lost; None where no data set has several."""
    found = context.once(on_sets)
    if not found:
        return None
    names = tuple(dict.fromkeys(each.name for _, sets in found for each in sets))
    columns = [Column("experiment", numeric=False)]
    columns += [Column(f"{name} %", hint=f"share of the images of {name} classified correctly") for name in names]
    firsts = {sets[0].name for _, sets in found}
    columns += [Column(f"drop to {name}", hint="in points") for name in names if name not in firsts]
    rows = []
    for variant, sets in found:
        by_name = {each.name: each for each in sets}
        cells = [_accuracy(variant, by_name.get(name)) for name in names]
        cells += [_drop(by_name.get(name)) for name in names if name not in firsts]
        rows.append((named(variant.name), *cells))
    return Section("test-sets", "Test sets", (Table("Each test set", tuple(columns), tuple(rows), (NOTE,)),))


def told(context: Context) -> str:
    """Return a sentence on the largest drops; empty where none is large beyond chance."""
    large = [
        (variant, sets[0], each)
        for variant, sets in context.once(on_sets)
        for each in sets[1:]
        if each.drop_interval is not None and each.drop_interval.low > LARGE
    ]
    if not large:
        return ""
    large.sort(key=lambda each: -each[2].drop)
    texts = [
        f"{variant.name} from {percent(first.accuracy)} % on {first.name} to {percent(each.accuracy)} % on {each.name} "
        f"(drop {_ends(each)} points)"
        for variant, first, each in large[:MOST_TOLD]
    ]
    more = len(large) - MOST_TOLD
    also = f", and {more} more" if more > 0 else ""
    return f"What was learned does not carry over from one test set to another: {'; '.join(texts)}{also}."


def on_sets(context: Context) -> tuple[tuple[Variant, tuple[OnSet, ...]], ...]:
    """Return the variants whose data set has several test sets, with what they reached on each, the first set first."""
    several = [each for each in context.every if len(each.cell.dataset.test_sets) > 1]
    found = ((variant, tuple(_on_each(context, variant))) for variant in several)
    return tuple((variant, sets) for variant, sets in found if len(sets) > 1)


def _on_each(context: Context, variant: Variant) -> Iterator[OnSet]:
    dataset, first = variant.cell.dataset, None
    for split, name in zip(dataset.test_splits, dataset.test_sets, strict=True):
        images = next(iter(image_sets((variant,), context.files, split)), None)
        if images is None:
            return
        accuracy = float(images.found.accuracies[0])
        interval = intervals_of(images, [0])[TEST_ACCURACY][0]
        if first is None:
            first = images, accuracy, interval
            yield OnSet(name, accuracy, interval)
            continue
        is_paired = np.array_equal(first[0].images.labels, images.images.labels)
        ends = _paired(first[0], images) if is_paired else _independent(*first[1:], accuracy, interval)
        yield OnSet(name, accuracy, interval, first[1] - accuracy, ends, is_paired)


def _paired(first: ImageSet, other: ImageSet) -> Interval:
    """Return the interval of the first accuracy minus the other, whose images correspond one by one."""
    answers, groups = [first.answers[0], other.answers[0]], first.images.groups
    both, pair = components(answers, groups), np.array([[0, 1]])
    drawn = resample(answers, both, draw_shares(both.units), groups)
    low, high = difference_intervals(pair, both, errors_of_differences(both, pair), drawn)[0].tolist()
    return Interval(low, high)


def _independent(first: float, ends: Interval | None, other: float, other_ends: Interval | None) -> Interval | None:
    if ends is None or other_ends is None:
        return None
    drop = first - other
    low = drop - math.hypot(first - ends.low, other_ends.high - other)
    return Interval(low, drop + math.hypot(ends.high - first, other - other_ends.low))


def _accuracy(variant: Variant, found: OnSet | None) -> Value:
    if found is None:
        return Value(NOTHING)
    splits = dict(zip(variant.cell.dataset.test_sets, variant.cell.dataset.test_splits, strict=True))
    value = share_value(variant.spread(f"{splits[found.name]}/accuracy"))
    return Value(value.text, value.order, detail=interval_text(TEST_ACCURACY, found.interval))


def _drop(found: OnSet | None) -> Value:
    if found is None:
        return Value(NOTHING)
    return Value(points(found.drop), found.drop, detail=_ends(found))


def _ends(found: OnSet) -> str:
    ends = found.drop_interval
    return "" if ends is None else interval_points(ends.low, ends.high)
