"""Learning curves of one fit as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from harness.measure.diagnosis import History, best_epoch, values_of
from harness.measure.drawing import AMBER, BLUE, INK, MUTED, new_figure, plain_axes, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

COLORS: Final = {"train": ("training", AMBER), "val": ("validation", BLUE)}


def draw_curves(history: History, path: Path) -> None:
    """Draw loss and accuracy by epoch; what the history lacks is left out.

    Raises:
        ValueError: the history has no epoch.
    """
    if not history:
        raise ValueError("no epochs to draw")
    figure = new_figure(8.4, 3.2)
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_metric(axes, history, metric)
    save(figure, path)


def _draw_metric(axes: Axes, history: History, metric: str) -> None:
    plain_axes(axes, f"{metric} by epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if metric == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    drawn = [_draw_line(axes, history, f"{split}/{metric}", *look) for split, look in COLORS.items()]
    _mark_best(axes, history, f"val/{metric}")
    if any(drawn):
        axes.legend(frameon=False, fontsize=8, labelcolor=MUTED, loc="best", handlelength=1.4)
    else:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", fontsize=9, color=MUTED)


def _draw_line(axes: Axes, history: History, name: str, label: str, color: str) -> bool:
    """Draw one metric's line; return whether there was anything to draw."""
    line = values_of(history, name)
    if not np.isfinite(line).any():
        return False
    marker = "o" if len(line) == 1 else ""
    axes.plot(np.arange(1, len(line) + 1), line, color=color, linewidth=1.9, label=label, marker=marker, markersize=4)
    return True


def _mark_best(axes: Axes, history: History, name: str) -> None:
    """Put a ring at the best epoch."""
    epoch = best_epoch(history)
    value = None if epoch is None else history[epoch - 1].get(name)
    if epoch is not None and value is not None:
        axes.plot(
            [epoch], [value], "o", label="best epoch", markersize=5.5, markerfacecolor="none", markeredgecolor=INK
        )
