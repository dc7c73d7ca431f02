"""Samplers and pruners that do not go with what else a search asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Final

from harness.contracts import Cell, Choices, Objective, Range
from harness.contracts.metrics import EPOCH_METRICS
from harness.contracts.tuning import Pruner, Sampler
from harness.spec.dimensions import points
from harness.spec.nodes import Fields, Node, Problems, joined

MOST_POINTS: Final = 100_000
"""Of a grid; a larger one is a slip of the pen, nobody finishes it."""


def refuse_sampler(
    sampler: Sampler, space: Mapping[str, Range | Choices], goals: Objective, node: Node, problems: Problems
) -> None:
    """Note a sampler that cannot search this space, or not for these goals, at the dimension or at its name."""
    assert isinstance(node, Fields)
    if sampler == "grid":
        _refuse_grid(space, node, problems)
    for text in _unfit_for_cmaes(space, goals) if sampler == "cmaes" else ():
        problems.at(node.fields["sampler"], f"cmaes {text}")


def _refuse_grid(space: Mapping[str, Range | Choices], node: Fields, problems: Problems) -> None:
    counts = {path: points(each) for path, each in space.items()}
    for path, count in counts.items():
        if count is None:
            problems.at(_dimension(node, path), "a grid needs choices, a step or int: true")
    size = prod(count for count in counts.values() if count is not None)
    if size > MOST_POINTS:
        problems.at(node.fields["sampler"], f"a grid of {size} points is too large; at most {MOST_POINTS}")


def _dimension(node: Fields, path: str) -> Node:
    space = node.fields["space"]
    assert isinstance(space, Fields)
    return space.fields[path]


def _unfit_for_cmaes(space: Mapping[str, Range | Choices], goals: Objective) -> Iterator[str]:
    ranges = [each for each in space.values() if isinstance(each, Range) and not each.when]
    if space and len(ranges) < 2:
        yield f"needs two ranges that exist in every trial, not {len(ranges)}; choices it draws at random"
    if len(goals.goals) > 1:
        yield "searches for one metric, not several; tpe and gp search for several"


def refuse_pruner(pruner: Pruner, goals: Objective, start: Cell, node: Node, problems: Problems) -> None:
    """Note a pruner that would have nothing to judge unfinished trials by."""
    assert isinstance(node, Fields)
    for text in _unprunable(goals, start) if pruner != "none" else ():
        problems.at(node.fields["pruner"], f"{pruner} {text}; write pruner: none")


def _unprunable(goals: Objective, start: Cell) -> Iterator[str]:
    metric = goals.first.metric
    if len(goals.goals) > 1:
        yield f"cannot prune by several metrics ({joined(goal.metric for goal in goals.goals)})"
    elif start.recipe is None:
        yield f'cannot prune: model "{start.model.name}" takes no recipe and has no epochs to be judged by'
    elif metric not in EPOCH_METRICS:
        yield f"cannot prune by {metric}, which is measured at the end only, not after each epoch"
