"""Mean and standard deviation over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over `count` seeds. `deviation` divides by n - 1; a single seed has none."""

    count: int
    mean: float
    deviation: float | None


def spread_of(values: Iterable[float]) -> Spread | None:
    """Return the spread of the values, None of no values; one that is not finite makes the mean so.

    >>> spread_of([1.0, 2.0, 3.0])
    Spread(count=3, mean=2.0, deviation=1.0)
    """
    given = list(values)
    if not given:
        return None
    if not all(map(math.isfinite, given)):
        return Spread(len(given), math.nan, None)
    return Spread(len(given), fmean(given), stdev(given) if len(given) > 1 else None)
