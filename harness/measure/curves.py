"""Learning curves of one run, or of the same cell with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from harness.measure.drawing import AMBER, BLUE, INK, MUTED, new_figure, plain_axes, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

History = Sequence[Mapping[str, float]]
"""Metrics of each epoch in order, the first is epoch 1."""

SPLITS: Final = (("train", "training", AMBER), ("val", "validation", BLUE))


def draw_curves(history: History, path: Path) -> None:
    """Draw loss and accuracy by epoch of one fit as PNG; what the history lacks is left out."""
    draw_seed_curves([history], path)


def draw_seed_curves(histories: Sequence[History], path: Path) -> None:
    """Draw loss and accuracy by epoch as PNG: every seed as a thin line, their mean as a thick one.

    Raises:
        ValueError: no history has an epoch.
    """
    if not any(histories):
        raise ValueError("no epochs to draw")
    figure = new_figure(8.4, 3.2)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_metric(axes, histories, metric)
    save(figure, path)


def values_of(history: History, name: str) -> NDArray[np.float64]:
    """Return a metric [epochs] by epoch; NaN where an epoch lacks it."""
    return np.array([epoch.get(name, np.nan) for epoch in history], dtype=np.float64)


def mean_of(lines: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean line as far as all lines go; seeds that stopped early would bend it."""
    shortest = min(len(line) for line in lines)
    return np.asarray(np.mean([line[:shortest] for line in lines], axis=0), dtype=np.float64)


def best_epoch(history: History) -> int | None:
    """Return the first epoch (from 1) with the highest validation accuracy; None without validation."""
    values = values_of(history, "val/accuracy")
    return int(np.nanargmax(values)) + 1 if np.isfinite(values).any() else None


def _draw_metric(axes: Axes, histories: Sequence[History], metric: str) -> None:
    plain_axes(axes, f"{metric} by epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    drawn = [_draw_split(axes, histories, f"{split}/{metric}", label, color) for split, label, color in SPLITS]
    _mark_best(axes, histories, f"val/{metric}")
    if any(drawn):
        axes.legend(frameon=False, fontsize=8, labelcolor=MUTED, loc="best", handlelength=1.4)
    else:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", fontsize=9, color=MUTED)


def _mark_best(axes: Axes, histories: Sequence[History], name: str) -> None:
    """Put a ring at each seed's best epoch."""
    found = [(epoch, history[epoch - 1].get(name)) for history in histories if (epoch := best_epoch(history))]
    places = [(epoch, value) for epoch, value in found if value is not None]
    if places:
        ring: dict[str, Any] = {"markersize": 5.5, "markerfacecolor": "none", "markeredgecolor": INK}
        axes.plot(*zip(*places, strict=True), "o", label="best epoch", **ring)


def _draw_split(axes: Axes, histories: Sequence[History], name: str, label: str, color: str) -> bool:
    """Draw one metric's lines; return whether there was anything to draw."""
    lines = [values_of(history, name) for history in histories if history]
    lines = [line for line in lines if np.isfinite(line).any()]
    if not lines:
        return False
    mean = mean_of(lines)
    for line in lines if len(lines) > 1 else ():
        axes.plot(np.arange(1, len(line) + 1), line, color=color, linewidth=0.7, alpha=0.4)
    marker = "o" if len(mean) == 1 else ""
    axes.plot(np.arange(1, len(mean) + 1), mean, color=color, linewidth=1.9, label=label, marker=marker, markersize=4)
    return True
