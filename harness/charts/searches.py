"""Charts of a search: its trials in turn, the Pareto front of several goals, what matters; and all as pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import altair as alt
from altair.utils.schemapi import debug_mode

from harness.charts.dimensions import parallel_coordinates, slices
from harness.charts.style import (
    AMBER,
    BLUE,
    INK,
    MUTED,
    Chart,
    chosen,
    finished,
    legend,
    sheet_png,
    short,
    told,
    zoom,
)
from harness.charts.trial_marks import Scale, goal_format, goal_title, looks_of, scored_marks, shown, trial_row
from harness.contracts import Goal, Importances, TrialFound, Tuning
from harness.escape import file_stem
from harness.measure.trials import (
    Kind,
    front,
    points_of,
    ranking,
    running_best,
    score_span,
    short_titles,
    winner_of,
)
from harness.words import amount, metric_name, metric_text

HISTORY, FRONT, PARALLEL, SLICES = "history.png", "pareto.png", "parallel.png", "slices.png"
IMPORTANCES: Final = "importances.png"
PICTURES: Final = (HISTORY, FRONT, PARALLEL, SLICES, IMPORTANCES)
"""File names in the order in which they are looked at."""
KINDS: Final[Mapping[Kind, str]] = {
    "complete": "complete",
    "duplicate": "the same as an earlier one",
    "infeasible": "beyond a constraint",
    "pruned": "pruned (last seen)",
    "failed": "failed",
}


def tuning_pictures(tuning: Tuning) -> dict[str, bytes]:
    """Return the charts of a search as PNG files by name; what it has nothing of is not drawn."""
    history, parallel = search_history(tuning), parallel_coordinates(tuning)
    importances = [importance(tuning, found) for found in tuning.importances if found.shares]
    drawn = {
        HISTORY: [history] if history is not None else [],
        FRONT: search_fronts(tuning),
        PARALLEL: [parallel] if parallel is not None else [],
        SLICES: slices(tuning),
        IMPORTANCES: importances,
    }
    return {name: sheet_png(charts, columns=3) for name, charts in drawn.items() if charts}


@debug_mode(False)
def search_history(tuning: Tuning) -> Chart | None:
    """Return every trial's first goal by its number, the best so far as steps; None where no trial has a score.

    Trials much worse than the others, and those that failed, stand in a strip beside the scale with how many they are.
    """
    span, goal = score_span(tuning), tuning.tune.objective.first
    if span is None:
        return None
    fresh = next((each.mean for each in tuning.confirmed if each.trial == tuning.winner), None)
    scale, points = Scale.of(goal, span, fresh), points_of(tuning)
    trials, counts = {trial.number: trial for trial in tuning.trials}, Counter(point.kind for point in points)
    labels: dict[str, str] = {kind: f"{text} ({counts[kind]})" for kind, text in KINDS.items() if counts[kind]}
    rows = [trial_row(tuning, trials[point.number], point.kind, labels[point.kind], point.score) for point in points]
    marked = {
        "start": (tuning.start, "the experiment's own (trial 0)"),
        "winner": (winner_of(tuning), f"winner (trial {tuning.winner})"),
    }
    for kind, (trial, label) in marked.items():
        if trial is not None and trial.values:
            labels[kind] = label
            rows.append(trial_row(tuning, trial, kind, label, trial.values[0]))
    last = max(trials)
    x = alt.X("trial:Q", title="trial").scale(domain=[-0.02 * last - 0.5, 1.02 * last + 0.5], nice=False)
    x = x.axis(grid=False, tickMinStep=1, format="d")
    y = scale.y(has_strip=not all(scale.holds(row["score"]) for row in rows))
    levels = [each.encode(x=x, y=y) for each in _levels(tuning, scale.goal, fresh, last)]
    layers = [*levels, *scored_marks(rows, labels, scale, x)]
    title = f"{tuning.experiment}: {scale.name} of every trial"
    best = running_best(tuning)
    ends = [f"{metric_text(goal.metric, score)} in trial {number}" for number, score in (*best[:1], *best[-1:])]
    kinds = ", ".join(f"{count} {KINDS[kind]}" for kind, count in counts.items())
    told_best = f" The best so far goes from {ends[0]} to {ends[1]}." if ends else ""
    words = f"{title}: {kinds}.{told_best} {scale.beyond(rows)}"
    stem = file_stem("search", tuning.experiment, "history")
    return finished(alt.layer(*layers), stem, title, words, width=720, height=300)


def search_fronts(tuning: Tuning) -> list[Chart]:
    """Return the first goal against each further one, the Pareto front joined by steps; none for one goal."""
    goals = tuning.tune.objective.goals
    return [_front(tuning, place) for place in range(1, len(goals))] if ranking(tuning) else []


@debug_mode(False)
def importance(tuning: Tuning, found: Importances) -> Chart:
    """Return an evaluator's shares as bars, the largest first."""
    titles = short_titles(tuning.tune.space)
    rows = [
        {"dimension": titles.get(path, path), "share": short(share * 100), "text": f"{share * 100:.0f} %"}
        for path, share in found.shares.items()
    ]
    order = [str(row["dimension"]) for row in rows]
    y = alt.Y("dimension:N", title=None, sort=order).axis(labelColor=INK, labelLimit=150, ticks=False, domain=False)
    most = max(10.0, *(share * 100 for share in found.shares.values()))
    x = alt.X("share:Q", title="share (%)").scale(domain=[0, short(most * 1.18)], nice=False)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, y=y)
    figures = told(("dimension", "dimension"), ("share", "share (%)", ".1f"))
    layers = [
        base.mark_bar(color=BLUE, size=14).encode(tooltip=figures),
        base.mark_text(align="left", dx=5, color=MUTED).encode(text="text:N"),
    ]
    title = f"{tuning.experiment}: importance by {found.evaluator}"
    said = [f"{row['dimension']} {row['text']}" for row in rows]
    words = f"{title}: {', '.join(said)}."
    stem = file_stem("search", tuning.experiment, "importance", found.evaluator)
    return finished(alt.layer(*layers), stem, title, words, width=260, height=26 * len(rows), widest=560)


def _levels(tuning: Tuning, goal: Goal, fresh: float | None, last: int) -> list[alt.Chart]:
    """Return the best so far as steps, and the winner's mean on fresh seeds as a level."""
    best = running_best(tuning)
    steps = [*best, (last, best[-1][1])] if best else []
    names = {"best so far": steps, "winner on fresh seeds": [] if fresh is None else [(0, fresh), (last, fresh)]}
    rows = [
        {"trial": number, "value": shown(goal, score), "line": name}
        for name, line in names.items()
        for number, score in line
    ]
    domain = [name for name, line in names.items() if line]
    if not domain:
        return []
    looks = {"best so far": (AMBER, [1, 0]), "winner on fresh seeds": (INK, [5, 4])}
    key = legend(domain, symbolType="stroke", symbolSize=260)
    color = alt.Color("line:N", legend=key).scale(domain=domain, range=[looks[name][0] for name in domain])
    dash = alt.StrokeDash("line:N", legend=key).scale(domain=domain, range=[looks[name][1] for name in domain])
    base = alt.Chart(alt.InlineData(values=rows)).mark_line(interpolate="step-after", strokeWidth=1.8, clip=True)
    return [base.encode(color=color, strokeDash=dash)]


@debug_mode(False)
def _front(tuning: Tuning, place: int) -> Chart:
    goals, winner = tuning.tune.objective.goals, winner_of(tuning)
    first, other = goals[0], goals[place]
    best = sorted(front(tuning), key=lambda trial: trial.values[place])
    on_front = {trial.number for trial in best}
    groups: dict[str, tuple[str, list[TrialFound]]] = {
        "complete": ("dominated", [trial for trial in ranking(tuning) if trial.number not in on_front]),
        "front": ("Pareto front", best),
    }
    if winner is not None and len(winner.values) > place:
        groups["winner"] = (f"winner (trial {winner.number})", [winner])
    groups = {kind: (label, trials) for kind, (label, trials) in groups.items() if trials}
    rows = [
        trial_row(tuning, trial, kind, label, trial.values[0])
        | {"across": shown(other, trial.values[place]), "value": shown(first, trial.values[0])}
        | {"other": metric_text(other.metric, trial.values[place])}
        for kind, (label, trials) in groups.items()
        for trial in trials
    ]
    steps = [{"across": shown(other, t.values[place]), "value": shown(first, t.values[0])} for t in best]
    room = alt.Scale(zero=False, nice=False, padding=12)
    x = alt.X("across:Q", title=goal_title(other), scale=room, axis=alt.Axis(grid=False, format=goal_format(other)))
    y = alt.Y("value:Q", title=goal_title(first), scale=room, axis=alt.Axis(format=goal_format(first)))
    way: Literal["step-after", "step-before"] = "step-after" if other.direction == "minimize" else "step-before"
    line = alt.Chart(alt.InlineData(values=steps)).mark_line(interpolate=way, color=AMBER, strokeWidth=1.4)
    pick = chosen("kind")
    looks = looks_of({kind: label for kind, (label, _) in groups.items()}, pick)
    figures = ("figure", metric_name(first.metric)), ("other", metric_name(other.metric))
    tooltip = told(("trial", "trial"), ("kind", "is"), *figures, ("settings", "settings"))
    dots = alt.Chart(alt.InlineData(values=rows), name="trials").mark_point()
    dots = dots.encode(x=x, y=y, tooltip=tooltip, **looks).add_params(zoom(), pick)
    title = f"{tuning.experiment}: {metric_name(first.metric)} against {metric_name(other.metric)}"
    ends = [
        f"{metric_text(first.metric, t.values[0])} at {metric_text(other.metric, t.values[place])}"
        for t in (best[0], best[-1])
    ]
    words = f"{title}: {amount(len(best), 'trial')} on the Pareto front, from {ends[0]} to {ends[1]}."
    stem = file_stem("search", tuning.experiment, "front", other.metric)
    drawn = alt.layer(line.encode(x=x, y=y), dots)
    return finished(drawn, stem, title, words, width=400, height=300)
