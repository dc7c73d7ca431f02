"""Accuracy against a price, with the front that nothing beats: where each point and line stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.measure.pareto import pareto_front
from harness.report.time_axis import SECONDS
from harness.words import duration, percent, round_duration

Price = Literal["time", "parameters"]
WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 16, 42


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant: what it costs (above zero) and its accuracy, a share."""

    name: str
    cost: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Scatter:
    """Offers of one price, at least one; those below `low` stand at the lower edge."""

    title: str
    price: Price
    offers: tuple[Offer, ...]
    low: float
    high: float

    @property
    def front(self) -> tuple[Offer, ...]:
        """The offers that none beats in both price and accuracy, the cheapest first."""
        places = pareto_front([each.cost for each in self.offers], [each.accuracy for each in self.offers])
        return tuple(self.offers[place] for place in places)

    @property
    def words(self) -> str:
        """The front in words."""
        listed = ", ".join(
            f"{each.name} ({percent(each.accuracy)} %, {self.cost_text(each.cost)})" for each in self.front
        )
        return f"On the front: {listed}."

    def cost_text(self, cost: float) -> str:
        """Return a price as it is shown."""
        if self.price == "parameters":
            return f"{cost:,.0f}"
        return duration(cost)

    def x(self, cost: float) -> float:
        """Return the place of a price, on a logarithmic scale."""
        ends = [math.log10(each.cost) for each in self.offers]
        room = 0.06 * (max(ends) - min(ends)) or 0.5
        low, high = min(ends) - room, max(ends) + room
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(cost) - low) / (high - low)

    def y(self, accuracy: float) -> float:
        """Return the height of an accuracy."""
        room = 0.05 * (self.high - self.low)
        low, high = self.low - room, self.high + room
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (max(accuracy, self.low) - low) / (high - low)


def cost_ticks(scatter: Scatter) -> list[float]:
    """Return round prices within the range, powers of ten or round times."""
    lowest, highest = (end(each.cost for each in scatter.offers) for end in (min, max))
    powers = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    candidates = SECONDS if scatter.price == "time" else [10.0**power for power in powers]
    seen = [cost for cost in candidates if LEFT <= scatter.x(cost) <= WIDTH - RIGHT]
    return seen if len(seen) > 1 else [lowest, highest] if highest > lowest else [lowest]


def axis_text(scatter: Scatter) -> str:
    """Return what the horizontal axis shows."""
    return "time of fitting, logarithmic" if scatter.price == "time" else "parameters, logarithmic"


def tick_text(scatter: Scatter, cost: float) -> str:
    """Return a price as it stands on the axis."""
    if scatter.price == "time":
        return round_duration(cost)
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if cost >= size:
            return f"{cost / size:.3g}{letter}"
    return f"{cost:.3g}"


def front_corners(scatter: Scatter) -> list[tuple[float, float]]:
    """Return the corners of the stairs: until the next offer's price the last one's accuracy is the best there is."""
    corners: list[tuple[float, float]] = []
    for each in scatter.front:
        place = (scatter.x(each.cost), scatter.y(each.accuracy))
        corners += [(place[0], corners[-1][1]), place] if corners else [place]
    return [*corners, (float(WIDTH - RIGHT), corners[-1][1])]
