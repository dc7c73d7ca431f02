"""Line charts as SVG text: small, sharp at any size, colored by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from harness.measure.diagnosis import History, best_epoch, mean_of, values_of
from harness.report.sections.curves import Curves
from harness.words import amount

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 10, 24
SPLITS: Final = {"train": "training", "val": "validation"}
MOST_POINTS: Final = 160
"""More would only make the page heavier; the last epoch is always among them."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The ranges of epochs and values that a chart shows."""

    epochs: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """Return the place of an epoch."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(1, self.epochs - 1)

    def y(self, value: float) -> float:
        """Return the height of a value."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)


def curve_chart(curves: Curves, metric: str) -> Markup:
    """Return a chart of "loss" or "accuracy" by epoch: seeds thin, their mean thick; empty where there is none."""
    lines = {split: _lines(curves, f"{split}/{metric}") for split in SPLITS}
    drawn = [line for each in lines.values() for line in each]
    if not drawn:
        return Markup("")
    scale = _scale(drawn)
    parts = [_grid(scale, percent=metric == "accuracy")]
    for split, each in lines.items():
        seeds = each if len(each) > 1 else []
        parts += [_polyline(line, scale, f"{split} seed") for line in seeds]
        parts += [_polyline(mean_of(each), scale, f"{split} mean")] if each else []
    parts += [_best(history, f"val/{metric}", scale) for history in curves.histories]
    label = escape(_described(curves, metric, lines))
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, label)
    return Markup("").join([head, *parts, Markup("</svg>")])


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values within [low, high], at most about `most`.

    >>> ticks(0.13, 0.91)
    [0.2, 0.4, 0.6, 0.8]
    """
    raw = max((high - low) / most, 1e-12)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _lines(curves: Curves, name: str) -> list[NDArray[np.float64]]:
    lines = [values_of(history, name) for history in curves.histories]
    return [line for line in lines if np.isfinite(line).any()]


def _scale(lines: Sequence[NDArray[np.float64]]) -> Scale:
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return Scale(max(len(line) for line in lines), low - room, high + room)


def _grid(scale: Scale, percent: bool) -> Markup:
    parts = []
    for value in ticks(scale.low, scale.high):
        text = f"{value * 100:.4g} %" if percent else f"{value:.4g}"
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, scale.y(value), WIDTH - RIGHT))
        parts.append(Markup('<text x="{}" y="{:.1f}" class="y">{}</text>').format(LEFT - 5, scale.y(value) + 3.5, text))
    epochs = sorted({1, *(int(each) for each in ticks(1, scale.epochs) if each == int(each) >= 1)})
    below = Markup('<text x="{:.1f}" y="{}">{}</text>')
    parts += [below.format(scale.x(epoch), HEIGHT - 7, epoch) for epoch in epochs]
    return Markup("").join(parts)


def _polyline(line: NDArray[np.float64], scale: Scale, css: str) -> Markup:
    """Return a line; a single epoch is a dot."""
    places = np.unique(np.linspace(0, len(line) - 1, min(len(line), MOST_POINTS)).round().astype(int))
    points = [(scale.x(place + 1), scale.y(line[place])) for place in places if np.isfinite(line[place])]
    if len(points) == 1:
        return Markup('<circle class="{} dot" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(css, *points[0])
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(css, text)


def _best(history: History, name: str, scale: Scale) -> Markup:
    """Return a ring at a seed's best epoch; nothing without validation."""
    epoch = best_epoch(history)
    value = None if epoch is None else history[epoch - 1].get(name)
    if epoch is None or value is None or not math.isfinite(value):
        return Markup("")
    ring = Markup('<circle class="best" cx="{:.1f}" cy="{:.1f}" r="3.4"><title>best epoch: {}</title></circle>')
    return ring.format(scale.x(epoch), scale.y(value), epoch)


def _described(curves: Curves, metric: str, lines: dict[str, list[NDArray[np.float64]]]) -> str:
    """Return the chart in words: where each split's mean begins and ends."""
    parts = []
    for split, label in SPLITS.items():
        if lines[split]:
            mean = mean_of(lines[split])
            ends = [f"{value * 100:.1f} %" if metric == "accuracy" else f"{value:.3g}" for value in (mean[0], mean[-1])]
            parts.append(f"{label} from {ends[0]} to {ends[1]}")
    epochs = max(len(line) for each in lines.values() for line in each)
    seeds = amount(len(curves.histories), "seed")
    best = [str(epoch) for epoch in map(best_epoch, curves.histories) if epoch is not None]
    parts += [f"best on validation in epoch {', '.join(best)}"] if best else []
    return f"{metric} of {curves.variant.name} over {amount(epochs, 'epoch')}, {seeds}: {', '.join(parts)}"
