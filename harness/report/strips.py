"""Seeds as dots on one scale beside the results: how far apart experiments are and how much seeds differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from harness.report.variants import TEST, VALIDATION, Variant

CROWDED: Final = 3


def shown_metric(variants: Sequence[Variant]) -> str:
    """Return test accuracy where any test set was opened, else validation accuracy."""
    return TEST if any(variant.values(TEST) for variant in variants) else VALIDATION


def span_of(variants: Sequence[Variant], metric: str) -> tuple[float, float] | None:
    """Return a range of whole, or fewer, percent that holds the variants' values; None of no values."""
    return span_of_groups([list(variant.values(metric).values()) for variant in variants])


def span_of_groups(values: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Return a range of whole, or fewer, percent that holds each group's finite values; None of no values.

    The lowest are left out while the others, at least three, then have three times the room: a floor
    at chance level would press all that matters into one spot.
    """
    each = [[value for value in group if math.isfinite(value)] for group in values]
    groups = sorted(filter(None, each), key=min)
    if not groups:
        return None
    high = max(map(max, groups))
    while len(groups) > 3 and high - min(groups[0]) > CROWDED * (high - min(groups[1])):
        groups = groups[1:]
    wide = high - min(groups[0])
    step = 0.05 if wide > 0.2 else 0.01 if wide > 0.02 else 0.002
    low = math.floor(min(groups[0]) / step) * step
    return max(0.0, low - step if wide == 0 else low), min(1.0, math.ceil(high / step) * step or step)
