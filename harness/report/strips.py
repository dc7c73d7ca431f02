"""Seeds as dots on one scale beside the results: how far apart experiments are and how much seeds differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from harness.report.variants import TEST, VALIDATION, Variant
from harness.words import Spread, percent, percent_spread

WIDTH: Final = 180
HEIGHT: Final = 20
EDGE: Final = 7
CROWDED: Final = 3


@dataclass(frozen=True, slots=True)
class Strips:
    """The column's heading, its range in words, and one picture a variant."""

    title: str
    low: str
    high: str
    pictures: tuple[Markup, ...]


def strips_of(variants: Sequence[Variant]) -> Strips | None:
    """Return the strips of test accuracy, of validation accuracy where no test set was opened; None of nothing."""
    metric = shown_metric(variants)
    span = span_of(variants, metric)
    if span is None:
        return None
    low, high = span
    pictures = tuple(_picture(variant, metric, low, high) for variant in variants)
    split = "test" if metric == TEST else "validation"
    return Strips(f"{split} top-1, each seed", f"{low * 100:.4g}", f"{high * 100:.4g}", pictures)


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


def _picture(variant: Variant, metric: str, low: float, high: float) -> Markup:
    values = [value for value in variant.values(metric).values() if math.isfinite(value)]
    spread = variant.spread(metric)
    if not values or spread is None:
        return Markup('<span class="muted">-</span>')
    if max(values) < low:
        return Markup('<span class="muted">below: {} %</span>').format(percent(spread.mean))
    middle = HEIGHT / 2
    parts = [Markup('<path class="track" d="M0 {0}H{1}"/>').format(middle, WIDTH), _band(spread, low, high)]
    dot = Markup('<circle cx="{:.1f}" cy="{}" r="3.2"/>')
    parts += [dot.format(_place(value, low, high), middle) for value in values]
    text = f"{percent_spread(spread)} %; seeds {', '.join(map(percent, values))}"
    head = Markup('<svg class="strip" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, text)
    return Markup("").join([head, *parts, Markup("</svg>")])


def _band(spread: Spread, low: float, high: float) -> Markup:
    """Return a bar of one standard deviation to each side of the mean, and a tick at the mean."""
    mean = _place(spread.mean, low, high)
    tick = Markup('<path class="mean" d="M{0:.1f} 2V{1}"/>').format(mean, HEIGHT - 2)
    if not spread.deviation:
        return tick
    start, end = (_place(spread.mean + side * spread.deviation, low, high) for side in (-1, 1))
    bar = Markup('<rect class="band" x="{:.1f}" y="5" width="{:.1f}" height="{}" rx="2"/>')
    return bar.format(start, end - start, HEIGHT - 10) + tick


def _place(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.5
    return EDGE + (WIDTH - 2 * EDGE) * min(1.0, max(0.0, share))
