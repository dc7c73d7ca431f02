"""Every trial's score in turn with the running best, and the Pareto front of several goals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.measure.drawing import AMBER, BLUE, INK, MUTED, new_figure, plain_axes, save
from harness.measure.trials import (
    Kind,
    front,
    goal_text,
    points_of,
    ranking,
    running_best,
    score_span,
    tick_text,
    winner_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from harness.contracts import Goal, Tuning

MARKS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    "complete": {"marker": "o", "color": BLUE, "s": 16, "linewidths": 0, "alpha": 0.75},
    "duplicate": {"marker": "o", "facecolors": "none", "edgecolors": BLUE, "s": 26, "linewidths": 0.9},
    "infeasible": {"marker": "D", "facecolors": "none", "edgecolors": MUTED, "s": 18, "linewidths": 0.9},
    "pruned": {"marker": "x", "color": MUTED, "s": 18, "linewidths": 1.0},
    "failed": {"marker": "v", "color": INK, "s": 22, "linewidths": 0},
}
"""Apart by shape, so that they can be told without color."""
LEGEND: Final[Mapping[Kind, str]] = {
    "complete": "complete",
    "duplicate": "repeats an earlier one",
    "infeasible": "breaks a constraint",
    "pruned": "pruned (last seen)",
    "failed": "failed",
}
START: Final[Mapping[str, Any]] = {"marker": "s", "facecolors": "none", "edgecolors": INK, "s": 60, "linewidths": 1.2}
WINNER: Final[Mapping[str, Any]] = {"marker": "*", "color": AMBER, "s": 150, "linewidths": 0, "zorder": 5}


def draw_history(tuning: Tuning, path: Path) -> None:
    """Draw every trial's first goal by its number; failed ones, and those much worse, stand at the edge."""
    span = score_span(tuning)
    if span is None:
        return
    goal = tuning.tune.objective.first
    figure = new_figure(8.4, 3.6)
    axes = figure.subplots()
    plain_axes(axes, f"{goal_text(goal)} of every trial")
    axes.set_ylim(*span)
    axes.set_xlim(-0.02 * len(tuning.trials) - 0.5, 1.02 * len(tuning.trials) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _scale(axes, goal, "y")
    axes.set_xlabel("trial", color=MUTED, fontsize=8)
    _draw_points(axes, tuning, span)
    _draw_best(axes, tuning)
    axes.legend(frameon=False, fontsize=7.5, labelcolor=MUTED, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(figure, path)


def draw_front(tuning: Tuning, path: Path) -> None:
    """Draw the first goal against each further one, the front's trials joined by steps; nothing for one goal."""
    goals, able = tuning.tune.objective.goals, ranking(tuning)
    if len(goals) < 2 or not able:
        return
    figure = new_figure(4.6 * (len(goals) - 1), 3.8)
    panels = figure.subplots(1, len(goals) - 1, squeeze=False)[0]
    for place, axes in enumerate(panels, 1):
        _draw_goals(axes, tuning, place)
    panels[0].legend(frameon=False, fontsize=7.5, labelcolor=MUTED, loc="best")
    save(figure, path)


def _draw_points(axes: Axes, tuning: Tuning, span: tuple[float, float]) -> None:
    low, high = span
    points = points_of(tuning)
    for kind, mark in MARKS.items():
        chosen = [point for point in points if point.kind == kind]
        heights = [low if point.score is None else min(high, max(low, point.score)) for point in chosen]
        if chosen:
            label = f"{LEGEND[kind]} ({len(chosen)})"
            axes.scatter([point.number for point in chosen], heights, **mark, label=label, clip_on=False)


def _draw_best(axes: Axes, tuning: Tuning) -> None:
    """Draw the running best as steps, the winner as a star, and its confirmed mean as a level."""
    steps = running_best(tuning)
    if steps:
        numbers, scores = [number for number, _ in steps], [score for _, score in steps]
        last = max(trial.number for trial in tuning.trials)
        axes.step(
            [*numbers, last], [*scores, scores[-1]], where="post", color=AMBER, linewidth=1.6, label="best so far"
        )
    start = tuning.start
    if start is not None and start.values:
        axes.scatter([0], start.values[:1], **START, label="the experiment's own (trial 0)", clip_on=False)
    winner = winner_of(tuning)
    if winner is None or not winner.values:
        return
    axes.scatter([winner.number], [winner.values[0]], **WINNER, label=f"winner (trial {winner.number})")
    mean = next((each.mean for each in tuning.confirmed if each.trial == winner.number), None)
    if mean is not None:
        axes.axhline(mean, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="winner on fresh seeds")


def _draw_goals(axes: Axes, tuning: Tuning, place: int) -> None:
    first, other = tuning.tune.objective.first, tuning.tune.objective.goals[place]
    plain_axes(axes, f"{goal_text(first)} against {goal_text(other)}")
    able, best = ranking(tuning), sorted(front(tuning), key=lambda trial: trial.values[place])
    axes.scatter([t.values[place] for t in able], [t.values[0] for t in able], **MARKS["complete"], label="dominated")
    across, up = [trial.values[place] for trial in best], [trial.values[0] for trial in best]
    where: Literal["pre", "post"] = "post" if other.direction == "minimize" else "pre"
    axes.step(across, up, where=where, color=AMBER, linewidth=1.2, marker="s", markersize=5, label="Pareto front")
    winner = winner_of(tuning)
    if winner is not None and len(winner.values) > place:
        axes.scatter([winner.values[place]], [winner.values[0]], **WINNER, label=f"winner (trial {winner.number})")
    _scale(axes, first, "y")
    _scale(axes, other, "x")


def _scale(axes: Axes, goal: Goal, side: str) -> None:
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(goal.metric, value)))
