"""A search on the page: every trial in turn, the Pareto front, and how much each dimension matters."""

from __future__ import annotations

from collections import Counter
from typing import Final

from markupsafe import Markup

from harness.contracts import Goal, Importances, TrialFound, Tuning
from harness.measure.drawing import shortened
from harness.measure.trials import Kind, front, goal_text, points_of, ranking, running_best, winner_of
from harness.measure.tuning_axes import Axis, score_axis, short_titles
from harness.measure.tuning_history import LEGEND, MARKS
from harness.report.sections.tuning_story import confirmation_of
from harness.report.tuning_svg import Frame, legend, marks, scrolled, steps
from harness.words import amount, metric_text

WIDE: Final = Frame(640, 250)
SQUARE: Final = Frame(360, 260, left=48)
BAR: Final = 24


def history_chart(tuning: Tuning) -> Markup:
    """Return every trial's first goal by its number, with the running best as steps; empty where none has a score."""
    up = score_axis(tuning)
    if up is None:
        return Markup("")
    last = max(trial.number for trial in tuning.trials)
    across = Axis("", "trial", 0, max(1, last))
    points = points_of(tuning)
    best = [(WIDE.x(across.place(number)), WIDE.y(up.place(score))) for number, score in running_best(tuning)]
    parts = [WIDE.grid(up), WIDE.ground(across), *_level(tuning, up), steps("best", best, WIDE.x(1))]
    for kind in MARKS:
        chosen = [point for point in points if point.kind == kind]
        heights = [0.0 if point.score is None else up.place(point.score) for point in chosen]
        places = [WIDE.x(across.place(point.number)) for point in chosen]
        parts.append(marks(kind, [(x, WIDE.y(height)) for x, height in zip(places, heights, strict=True)]))
    for special, trial in (("start", tuning.start), ("winner", winner_of(tuning))):
        parts += [marks(special, [_at(across, up, trial)])] if trial is not None and trial.values else []
    return legend(_legend(tuning)) + scrolled(WIDE.svg(_history_words(tuning), parts), 480, "Every trial in turn")


def front_charts(tuning: Tuning) -> tuple[Markup, ...]:
    """Return the first goal against each further one, the Pareto front joined by steps; none for one goal."""
    goals = tuning.tune.objective.goals
    return tuple(_front_chart(tuning, place) for place in range(1, len(goals))) if ranking(tuning) else ()


def importance_chart(found: Importances, tuning: Tuning) -> Markup:
    """Return an evaluator's shares as bars, the largest first."""
    titles, most = short_titles(tuning.tune.space), max(0.1, *found.shares.values())
    frame = Frame(360, BAR * len(found.shares) + 4, left=130, right=44, top=2, bottom=2)
    row = Markup(
        '<text class="y" x="{:g}" y="{:.1f}">{}</text><rect class="bar" x="{:g}" y="{:.1f}" width="{:.1f}" '
        'height="14"/><text class="start" x="{:.1f}" y="{:.1f}">{:.0f} %</text>'
    )
    parts = []
    for number, (path, share) in enumerate(found.shares.items()):
        y, width = 2 + BAR * number, (frame.width - frame.left - frame.right) * share / most
        title, end = shortened(titles.get(path, path), 22), frame.left + width + 5
        parts.append(row.format(frame.left - 8, y + 15, title, frame.left, y + 4, width, end, y + 15, share * 100))
    said = ", ".join(f"{titles.get(path, path)} {share * 100:.0f} %" for path, share in found.shares.items())
    return frame.svg(f"importance by {found.evaluator}: {said}", parts)


def _at(across: Axis, up: Axis, trial: TrialFound) -> tuple[float, float]:
    return WIDE.x(across.place(trial.number)), WIDE.y(up.place(trial.values[0]))


def _level(tuning: Tuning, up: Axis) -> list[Markup]:
    """Return the winner's mean on fresh seeds as a dashed level."""
    found = confirmation_of(tuning, tuning.winner)
    if found is None or found.mean is None:
        return []
    y = WIDE.y(up.place(found.mean))
    return [Markup('<path class="fresh" d="M{:g} {:.1f}H{:.1f}"/>').format(WIDE.left, y, WIDE.x(1))]


def _legend(tuning: Tuning) -> dict[str, str]:
    counts: Counter[Kind] = Counter(point.kind for point in points_of(tuning))
    entries: dict[str, str] = {kind: f"{LEGEND[kind]} ({counts[kind]})" for kind in MARKS if counts[kind]}
    entries |= {"best": "best so far"} if running_best(tuning) else {}
    entries |= {"start": "the experiment's own (trial 0)"} if tuning.start and tuning.start.values else {}
    entries |= {"winner": f"winner (trial {tuning.winner})"} if winner_of(tuning) else {}
    found = confirmation_of(tuning, tuning.winner)
    return entries | ({"fresh": "winner on fresh seeds"} if found and found.mean is not None else {})


def _history_words(tuning: Tuning) -> str:
    goal, best = tuning.tune.objective.first, running_best(tuning)
    counts = Counter(point.kind for point in points_of(tuning))
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    text = f"{goal_text(goal)} of {amount(len(tuning.trials), 'trial')}: {kinds}"
    if not best:
        return text
    ends = [f"{metric_text(goal.metric, score)} in trial {number}" for number, score in (best[0], best[-1])]
    return f"{text}; the best so far goes from {ends[0]} to {ends[1]}"


def _front_chart(tuning: Tuning, place: int) -> Markup:
    able, best = ranking(tuning), sorted(front(tuning), key=lambda trial: trial.values[place])
    goals = tuning.tune.objective.goals
    across, up = (_goal_axis(goals[index], [trial.values[index] for trial in able]) for index in (place, 0))

    def spot(trial: TrialFound) -> tuple[float, float]:
        return SQUARE.x(across.place(trial.values[place])), SQUARE.y(up.place(trial.values[0]))

    parts = [SQUARE.grid(up), SQUARE.ground(across), marks("complete", [spot(trial) for trial in able])]
    parts += [steps("best", [spot(trial) for trial in best]), marks("front", [spot(trial) for trial in best])]
    winner = winner_of(tuning)
    parts += [marks("winner", [spot(winner)])] if winner is not None and len(winner.values) > place else []
    entries = {"complete": "dominated", "front": "Pareto front"} | ({"winner": "winner"} if winner else {})
    axis = Markup('<p class="axis">{} (up) against {} (across)</p>').format(
        goal_text(goals[0]), goal_text(goals[place])
    )
    return axis + legend(entries) + SQUARE.svg(_front_words(best, goals, place), parts)


def _goal_axis(goal: Goal, values: list[float]) -> Axis:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return Axis("", goal_text(goal), low - room, high + room, metric=goal.metric)


def _front_words(best: list[TrialFound], goals: tuple[Goal, ...], place: int) -> str:
    first, other = goals[0], goals[place]
    ends = [
        f"{metric_text(first.metric, trial.values[0])} at {metric_text(other.metric, trial.values[place])}"
        for trial in (best[0], best[-1])
    ]
    return (
        f"{goal_text(first)} against {goal_text(other)}: {amount(len(best), 'trial')} on the Pareto front, "
        f"from {ends[0]} to {ends[1]}"
    )
