"""Trials across all dimensions on the page: parallel coordinates, and slices by one dimension each."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from harness.contracts import TrialFound, Tuning
from harness.measure.drawing import shortened
from harness.measure.trials import goal_text, ranking, strong_and_weak, winner_of
from harness.measure.tuning_axes import ABSENT, Axis, axes_of, score_axis, value_text
from harness.measure.tuning_parallel import jittered, line_of
from harness.report.tuning_svg import Frame, legend, lines, marks, scrolled
from harness.words import amount, metric_text

STEP: Final = 112
TOP, DEEP, BOTTOM = 34, 210, 18
SLICE: Final = Frame(250, 160, left=44, right=12)


def parallel_chart(tuning: Tuning) -> Markup:
    """Return a line a trial across all dimensions to its score: the best tenth strong, the winner in amber."""
    last, rulers = score_axis(tuning), axes_of(tuning)
    if last is None or not ranking(tuning):
        return Markup("")
    strong, weak = strong_and_weak(tuning)
    winner = winner_of(tuning)
    drawn = {"weak": weak, "strong": strong, "chosen": (winner,) if winner else ()}
    parts = [lines(css, [_points(trial, rulers, last) for trial in trials]) for css, trials in drawn.items()]
    parts += [_ruler(column, ruler) for column, ruler in enumerate((*rulers, last))]
    frame = Frame(STEP * (len(rulers) + 1) + 20, TOP + DEEP * (1 - ABSENT) + BOTTOM)
    entries = {"strong": f"best {len(strong)}", "weak": f"{len(weak)} others"}
    entries |= {"chosen": f"winner (trial {winner.number})"} if winner else {}
    picture = frame.svg(_parallel_words(strong, weak, rulers, tuning), parts, "parallel")
    return legend(entries) + scrolled(picture, 0.85 * frame.width, "Parallel coordinates")


def slice_charts(tuning: Tuning) -> tuple[tuple[str, Markup], ...]:
    """Return for each dimension its title and the first goal against it; none where no trial may win."""
    up = score_axis(tuning)
    if up is None or not ranking(tuning):
        return ()
    return tuple((_titled(axis), _slice(tuning, axis, up)) for axis in axes_of(tuning))


def _points(trial: TrialFound, rulers: tuple[Axis, ...], last: Axis) -> list[tuple[float, float]]:
    return [(_column(number), _height(place)) for number, place in enumerate(line_of(trial, rulers, last))]


def _column(number: int) -> float:
    return STEP * (number + 0.45)


def _height(place: float) -> float:
    return TOP + DEEP * (1 - place)


def _ruler(column: int, ruler: Axis) -> Markup:
    x = _column(column)
    head = Markup('<path class="ruler" d="M{:g} {:g}V{:g}"/><text class="title" x="{:g}" y="14">{}</text>')
    parts = [head.format(x, _height(1), _height(0), x, shortened(_titled(ruler).replace("validation", "val."), 17))]
    value = Markup('<text class="start" x="{:g}" y="{:.1f}">{}</text>')
    absent = [(ABSENT, "not there")] if ruler.is_conditional else []
    for place, text in (*ruler.ticks, *absent):
        parts.append(value.format(x + 5, _height(place) + 3.5, shortened(text, 13)))
    return Markup("").join(parts)


def _slice(tuning: Tuning, axis: Axis, up: Axis) -> Markup:
    able, winner = ranking(tuning), winner_of(tuning)
    places = {trial.number: jittered(axis, trial) for trial in (*able, *((winner,) if winner else ()))}

    def spots(trials: tuple[TrialFound, ...]) -> list[tuple[float, float]]:
        there = [(places[trial.number], up.place(trial.values[0])) for trial in trials]
        return [(SLICE.x(place), SLICE.y(height)) for place, height in there if place is not None]

    parts = [SLICE.grid(up), SLICE.ground(axis, 11), marks("complete", spots(able))]
    parts += [marks("winner", spots((winner,)))] if winner is not None and winner.values else []
    return SLICE.svg(_slice_words(tuning, axis), parts)


def _titled(axis: Axis) -> str:
    return f"{axis.title} (log)" if axis.is_log else axis.title


def _parallel_words(
    strong: tuple[TrialFound, ...], weak: tuple[TrialFound, ...], rulers: tuple[Axis, ...], tuning: Tuning
) -> str:
    names = ", ".join(ruler.title for ruler in rulers)
    goal = tuning.tune.objective.first
    count = f"{amount(len(strong) + len(weak), 'trial')} across {names} to their {goal_text(goal)}"
    best = strong[0]
    at = ", ".join(
        f"{ruler.title} {value_text(best.params[ruler.path])}" for ruler in rulers if ruler.path in best.params
    )
    return f"{count}; the best, trial {best.number}: {at}, {metric_text(goal.metric, best.values[0])}"


def _slice_words(tuning: Tuning, axis: Axis) -> str:
    goal, there = tuning.tune.objective.first, [trial for trial in ranking(tuning) if axis.path in trial.params]
    text = f"{goal_text(goal)} against {_titled(axis)}, {amount(len(there), 'trial')}"
    if not there:
        return text
    best = there[0]
    return f"{text}; the best, {metric_text(goal.metric, best.values[0])}, at {value_text(best.params[axis.path])}"
