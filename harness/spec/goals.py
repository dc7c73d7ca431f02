"""What a search goes for: `objective:` and `constraints:` of a `tune:` entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from harness.contracts import Cell, Frozen, Goal, Objective, Positive
from harness.contracts.metrics import COSTS, OBJECTIVES, VAL_ACCURACY
from harness.contracts.tuning import Direction
from harness.errors import nearest
from harness.spec.checking import check, positive
from harness.spec.experiments import Experiment
from harness.spec.measurable import no_cost
from harness.spec.nodes import Fields, Items, Node, Problems, joined, plain, shown

BETTER: Final = {**OBJECTIVES, **dict.fromkeys(COSTS, "minimize")}
"""Metric -> which way is better, of all that a search can go for."""
_DIRECTIONS: Final[tuple[str, ...]] = get_args(Direction)


class WrittenObjective(Frozen):
    """An objective as written: metrics and directions are one or a list, read by themselves."""

    metric: Any = None
    direction: Any = None
    seeds: Positive = 1


def objective(experiment: Experiment, start: Cell | None, node: Node | None, problems: Problems) -> Objective:
    """Return `objective:`, with what is wrong noted; `start` is the experiment's cell where that is valid."""
    written = None if node is None or plain(node) is None else check(WrittenObjective, node, problems)
    if written is None or not isinstance(node, Fields):
        return Objective()
    found = Problems()
    _refuse_seeds(written.seeds, experiment, node, found)
    metrics = _metrics(node, start, found)
    _refuse_directions(node, metrics, found)
    problems.take(found)
    if found:
        return Objective()
    return Objective(goals=tuple(Goal(metric=each, direction=BETTER[each]) for each in metrics), seeds=written.seeds)


def _refuse_seeds(seeds: int, experiment: Experiment, node: Fields, problems: Problems) -> None:
    if seeds > len(experiment.seeds) > 0:
        problems.at(node.fields["seeds"], f"{seeds} seeds, but the experiment has {len(experiment.seeds)}")


def _listed(node: Node | None) -> tuple[Node, ...]:
    """Return the items of a list, or a single value as the only one; none where nothing is written."""
    if isinstance(node, Items):
        return node.items
    return () if node is None or plain(node) is None else (node,)


def _metrics(node: Fields, start: Cell | None, problems: Problems) -> list[str]:
    """Return the metrics as they are written, with what is wrong in any of them noted."""
    written = node.fields.get("metric")
    if isinstance(written, Items) and not written.items:
        problems.at(written, "an empty list names no metric")
    metrics: list[str] = []
    for each in _listed(written):
        metric = plain(each)
        wrong = _wrong_metric(metric, metrics, start)
        if wrong:
            problems.at(each, f"{shown(metric)}{wrong}")
        metrics.append(str(metric))
    return metrics or [VAL_ACCURACY]


def _wrong_metric(metric: object, before: Sequence[str], start: Cell | None) -> str:
    """Return what is wrong with a metric that follows others, as the end of a sentence about it."""
    if not isinstance(metric, str):
        return " is not the name of a metric"
    if metric in before:
        return " is there twice"
    if metric.startswith("test/"):
        return f": a search sees validation only{nearest(metric, OBJECTIVES)}"
    if metric not in BETTER:
        return f": there is no such metric to search by{nearest(metric, BETTER if before else OBJECTIVES)}"
    if not before and metric in COSTS:
        return f": a cost goes behind the metric that decides{nearest('', OBJECTIVES)}"
    reason = None if start is None or metric not in COSTS else no_cost(metric, start)
    return f": {reason}" if reason else ""


def _refuse_directions(node: Fields, metrics: Sequence[str], problems: Problems) -> None:
    """Note directions that are none, not one for each metric, or not the one in which the metric is better."""
    written = _listed(node.fields.get("direction"))
    if written and len(written) != len(metrics):
        problems.at(node.fields["direction"], _uneven(len(metrics), len(written)))
    for place, each in enumerate(written):
        direction = plain(each)
        better = BETTER.get(metrics[place]) if place < len(metrics) == len(written) else None
        if direction not in _DIRECTIONS:
            problems.at(each, f"{shown(direction)} is not one of {joined(_DIRECTIONS)}")
        elif better not in {None, direction}:
            way = "lower" if better == "minimize" else "higher"
            problems.at(each, f"{shown(direction)}: {metrics[place]} is better the {way} it is")


def _uneven(metrics: int, directions: int) -> str:
    return f"metric lists {metrics}, direction {directions}; write a direction for each metric, or none"


def constraints(start: Cell | None, node: Node | None, problems: Problems) -> dict[str, float]:
    """Return the most that a winner may have of each cost, with what is wrong noted."""
    if node is None or plain(node) is None:
        return {}
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not a mapping from costs to the most there may be of each")
        return {}
    found = {}
    for metric, each in node.fields.items():
        most, reason = positive(plain(each)), None if start is None else no_cost(metric, start)
        if metric not in COSTS:
            problems.at_key(node, metric, f"is no cost that a trial has{nearest(metric, COSTS)}")
        elif reason:
            problems.at_key(node, metric, reason)
        if most is None:
            problems.at(each, f"{shown(plain(each))} is not a positive, finite number")
        else:
            found[metric] = most
    return found
