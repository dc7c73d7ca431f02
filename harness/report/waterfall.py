"""Ablations as bars: what each switch takes away or adds, from its starting point to where it leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from harness.measure.drawing import shortened
from harness.report.ablations import ABOVE, FIRST, TITLES, Effects
from harness.report.charts import ticks
from harness.report.variants import TEST, VALIDATION
from harness.words import points

WIDTH: Final = 560
LABELS: Final = 150
RIGHT: Final = 62
ROW: Final = 26
BELOW: Final = 34


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of an ablation: accuracies from 0 to 1; `low` and `high` are the ends of the change's interval."""

    label: str
    start: float
    end: float
    low: float | None = None
    high: float | None = None

    @property
    def change(self) -> float:
        """What the row changes."""
        return self.end - self.start

    @property
    def spread(self) -> tuple[float, float] | None:
        """Where the row may lead, as far as the interval tells."""
        if self.low is None or self.high is None:
            return None
        return max(0.0, self.start + self.low), min(1.0, self.start + self.high)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The first row's accuracy, then a bar for each further row that has figures."""

    name: str
    metric: str
    first: str
    base: float
    bars: tuple[Bar, ...]
    stepwise: bool

    @property
    def title(self) -> str:
        """What the chart shows."""
        way = "each step from the row above" if self.stepwise else f"each change from {self.first}"
        return f"{self.name}: {TITLES[self.metric]} top-1 in percent, {way}, 95 % interval"

    @property
    def span(self) -> tuple[float, float]:
        """The accuracies that the chart has room for."""
        values = [self.base, *(end for bar in self.bars for end in (bar.start, bar.end, *(bar.spread or ())))]
        room = 0.06 * (max(values) - min(values)) or 0.01
        return min(values) - room, max(values) + room


def waterfall_of(effects: Effects) -> Waterfall | None:
    """Return an ablation's bars by test accuracy, by validation accuracy where no row has any; None of no figures."""
    first = effects.ablation.rows[0]
    for metric in (TEST, VALIDATION):
        means = {label: spread.mean for label, row in effects.rows.items() if (spread := row.spread(metric))}
        means = {label: mean for label, mean in means.items() if math.isfinite(mean)}
        if first in means and len(means) > 1:
            bars = _bars(effects, metric, means)
            return Waterfall(effects.ablation.name, metric, first, means[first], bars, ABOVE in effects.steps)
    return None


def waterfall_svg(chart: Waterfall) -> Markup:
    """Return the chart as SVG, colored by the page's style sheet."""
    low, high = chart.span
    height = ROW * (len(chart.bars) + 1) + BELOW

    def x(value: float) -> float:
        return LABELS + (WIDTH - LABELS - RIGHT) * (value - low) / (high - low)

    head = Markup('<svg class="waterfall" viewBox="0 0 {} {}" role="img" aria-label="{}">')
    parts = [head.format(WIDTH, height, _described(chart))]
    for value in ticks(low * 100, high * 100):
        place = x(value / 100)
        parts.append(Markup('<path class="grid" d="M{:.1f} 4V{}"/>').format(place, height - BELOW + 6))
        parts.append(Markup('<text x="{:.1f}" y="{}">{:g}</text>').format(place, height - 10, value))
    parts.append(Markup('<path class="base" d="M{:.1f} 4V{}"/>').format(x(chart.base), height - BELOW + 6))
    parts.append(_row_label(0, chart.first, f"{chart.base * 100:.2f}"))
    parts.append(Markup('<circle class="dot" cx="{:.1f}" cy="{}" r="3.5"/>').format(x(chart.base), ROW / 2))
    for row, bar in enumerate(chart.bars, 1):
        spread = bar.spread
        ends = None if spread is None else (x(spread[0]), x(spread[1]))
        parts += [_row_label(row, bar.label, points(bar.change)), _bar(row, bar, x(bar.start), x(bar.end), ends)]
    return Markup("").join([*parts, Markup("</svg>")])


def _bars(effects: Effects, metric: str, means: dict[str, float]) -> tuple[Bar, ...]:
    steps = effects.steps.get(ABOVE, effects.steps[FIRST])
    bars = []
    for label, other in steps.items():
        if label in means and other in means:
            pair = effects.pairs.get((metric, label, other))
            ends = (None, None) if pair is None else (pair.low, pair.high)
            bars.append(Bar(label, means[other], means[label], *ends))
    return tuple(bars)


def _row_label(row: int, label: str, figure: str) -> Markup:
    y = ROW * row + ROW / 2 + 4
    left = Markup('<text class="switch" x="{}" y="{}">{}</text>').format(LABELS - 8, y, shortened(label, 24))
    return left + Markup('<text class="points" x="{}" y="{}">{}</text>').format(WIDTH - 4, y, figure)


def _bar(row: int, bar: Bar, start: float, end: float, spread: tuple[float, float] | None) -> Markup:
    css, top = "gain" if bar.change >= 0 else "loss", ROW * row + 6
    box = Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>')
    drawn = box.format(css, min(start, end), top, max(1.2, abs(end - start)), ROW - 12)
    if spread is None:
        return drawn
    line = Markup('<path class="whisker" d="M{0:.1f} {2}H{1:.1f}M{0:.1f} {3}v8M{1:.1f} {3}v8"/>')
    return drawn + line.format(*spread, top + (ROW - 12) / 2, top + (ROW - 12) / 2 - 4)


def _described(chart: Waterfall) -> Markup:
    """Return the chart in words."""
    changes = ", ".join(f"{bar.label} {points(bar.change)}" for bar in chart.bars)
    return escape(f"{chart.title}; {chart.first} {chart.base * 100:.2f} %; points: {changes}")


def waterfalls(effects: Sequence[Effects]) -> tuple[Waterfall, ...]:
    """Return the charts of all ablations that have one."""
    return tuple(filter(None, map(waterfall_of, effects)))
