"""The 95 % interval of each test figure of the headline table, for new images and new seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts.metrics import TEST_ACCURACY, TEST_ECE, TEST_LOSS, TEST_MACRO_F1
from harness.measure.crossed import Components, apart
from harness.measure.intervals import share_interval
from harness.measure.standard_errors import critical, errors_of_means, seed_spread
from harness.report.numbers import is_share, percent

if TYPE_CHECKING:
    from harness.report.predictions import ImageSet

ALPHA: Final = 0.05
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of a 95 % interval."""

    low: float
    high: float


def intervals_of(images: ImageSet, places: Sequence[int]) -> Mapping[str, tuple[Interval | None, ...]]:
    """Return each metric's intervals of some members, in their order; None where a member has no such figure."""
    found = {TEST_ACCURACY: dict(zip(places, _intervals(TEST_ACCURACY, images.found, places), strict=True))}
    for metric in (TEST_MACRO_F1, TEST_LOSS, TEST_ECE):
        having = [place for place in places if metric in images.members[place].figures]
        if having:
            figures = apart([images.members[place].figures[metric] for place in having])
            each = _intervals(metric, figures, range(len(having)))
            found[metric] = dict(zip(having, each, strict=True))
    return {metric: tuple(each.get(place) for place in places) for metric, each in found.items()}


def interval_text(metric: str, interval: Interval | None) -> str:
    """Return an interval in brackets, in the unit of its metric; empty where there is none."""
    if interval is None:
        return ""
    ends = (percent(each) if is_share(metric) else f"{each:.3f}" for each in (interval.low, interval.high))
    return f"[{', '.join(ends)}]"


def _intervals(metric: str, found: Components, places: Sequence[int]) -> list[Interval]:
    """Return Wilson's intervals of accuracy and macro-F1, symmetric ones of the others, which end at 0."""
    errors = errors_of_means(found, seed_spread(found))
    means, standard, quantile = found.accuracies, errors.standard, critical(errors, ALPHA)
    if metric in {TEST_ACCURACY, TEST_MACRO_F1}:
        figures = zip(means.tolist(), standard.tolist(), quantile.tolist(), strict=True)
        ends = [share_interval(mean, error, found.count, far) for mean, error, far in figures]
    else:
        low, high = np.maximum(means - quantile * standard, 0), means + quantile * standard
        ends = list(zip(low.tolist(), high.tolist(), strict=True))
    return [Interval(round(ends[place][0], DIGITS), round(ends[place][1], DIGITS)) for place in places]
