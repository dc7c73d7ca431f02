"""Trials across all dimensions: parallel coordinates, and the score against each dimension by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.measure.drawing import (
    AMBER,
    BLUE,
    GRID,
    INK,
    MUTED,
    PAPER,
    literal,
    new_figure,
    plain_axes,
    save,
    shortened,
)
from harness.measure.trials import goal_text, ranking, score_span, strong_and_weak, tick_text, winner_of
from harness.measure.tuning_axes import ABSENT, Axis, axes_of, score_axis

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from harness.contracts import TrialFound, Tuning

COLUMNS: Final = 3
WIDEST_NAME: Final = 14
BEHIND: Final = {"facecolor": PAPER, "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
"""Lets a label be read where lines run behind it."""


def draw_parallel(tuning: Tuning, path: Path) -> None:
    """Draw a line a trial across all dimensions to its score: the best tenth strong, the winner in amber."""
    strong, weak = strong_and_weak(tuning)
    last = score_axis(tuning)
    if last is None or not ranking(tuning):
        return
    axes_found = axes_of(tuning)
    figure = new_figure(max(5.0, 1.35 * (len(axes_found) + 1)), 3.9)
    axes = figure.subplots()
    axes.set_title(
        literal("settings of the trials, and where they led"),
        loc="left",
        fontsize=10,
        color=INK,
        fontweight="bold",
        pad=22,
    )
    _draw_rulers(axes, (*axes_found, last))
    styles: tuple[tuple[Sequence[TrialFound], dict[str, Any]], ...] = (
        (weak, {"color": MUTED, "linewidth": 0.6, "alpha": 0.35}),
        (strong, {"color": BLUE, "linewidth": 1.3, "alpha": 0.85}),
        ([winner] if (winner := winner_of(tuning)) else [], {"color": AMBER, "linewidth": 2.2}),
    )
    for trials, style in styles:
        for trial in trials:
            axes.plot(range(len(axes_found) + 1), line_of(trial, axes_found, last), **style, solid_joinstyle="round")
    save(figure, path)


def draw_slices(tuning: Tuning, path: Path) -> None:
    """Draw the first goal against each dimension of the trials that may win."""
    span, found = score_span(tuning), axes_of(tuning)
    if span is None or not ranking(tuning):
        return
    rows = math.ceil(len(found) / COLUMNS)
    columns = min(COLUMNS, len(found))
    figure = new_figure(3.0 * columns, 2.5 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for panel in panels[len(found) :]:
        panel.set_axis_off()
    for panel, axis in zip(panels, found, strict=False):
        _draw_slice(panel, tuning, axis, span)
    figure.supylabel(literal(goal_text(tuning.tune.objective.first)), fontsize=8, color=MUTED)
    save(figure, path)


def line_of(trial: TrialFound, axes: Sequence[Axis], last: Axis) -> list[float]:
    """Return where a trial stands on each axis and on that of the score; below it where it has no such dimension."""
    places = [axis.place_in(trial) for axis in axes]
    score = last.place(trial.values[0])
    return [*(ABSENT if place is None else place for place in places), min(1.0, max(0.0, score))]


def jittered(axis: Axis, trial: TrialFound) -> float | None:
    """Return where a trial stands, those of the same choice spread a little by their number."""
    place = axis.place_in(trial)
    if place is None or not axis.choices:
        return place
    return place + ((trial.number * 0.618034) % 1 - 0.5) * 0.5 / len(axis.choices)


def _draw_rulers(axes: Axes, rulers: Sequence[Axis]) -> None:
    axes.set_axis_off()
    axes.set_xlim(-0.25, len(rulers) - 0.4)
    lowest = ABSENT if any(ruler.is_conditional for ruler in rulers) else 0
    axes.set_ylim(lowest - 0.06, 1.02)
    for column, ruler in enumerate(rulers):
        axes.plot([column, column], [0, 1], color=GRID if ruler.choices else MUTED, linewidth=1)
        title = shortened(ruler.title, 22) + (" (log)" if ruler.is_log else "")
        axes.text(column, 1.06, literal(title), ha="center", fontsize=8, color=INK, fontweight="bold")
        absent = [(ABSENT, "not there")] if ruler.is_conditional else []
        for place, text in (*ruler.ticks, *absent):
            label = literal(shortened(text, WIDEST_NAME))
            axes.text(column + 0.05, place, label, va="center", fontsize=7, color=INK, zorder=6, bbox=BEHIND)
            axes.plot([column - 0.02, column + 0.02], [place, place], color=MUTED, linewidth=0.8)


def _draw_slice(axes: Axes, tuning: Tuning, axis: Axis, span: tuple[float, float]) -> None:
    goal, able, winner = tuning.tune.objective.first, ranking(tuning), winner_of(tuning)
    plain_axes(axes, shortened(axis.title, 28) + (" (log)" if axis.is_log else ""))
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(*span)
    places = np.array([np.nan if (place := jittered(axis, trial)) is None else place for trial in able])
    scores = np.clip([trial.values[0] for trial in able], *span)
    axes.scatter(places, scores, s=11, color=BLUE, alpha=0.6, linewidths=0)
    place = jittered(axis, winner) if winner else None
    if winner is not None and place is not None:
        axes.scatter([place], np.clip(winner.values[:1], *span), marker="*", s=110, color=AMBER, linewidths=0, zorder=5)
    ticks = axis.ticks
    axes.set_xticks([at for at, _ in ticks], [literal(shortened(text, WIDEST_NAME)) for _, text in ticks])
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(goal.metric, value)))
