"""`tune:` -> validated tuning studies; running them is another part's work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue

from harness.contracts import Cell, Choices, Confirm, FinalFit, Frozen, Objective, Positive, Range, Tune
from harness.contracts.metrics import OBJECTIVES
from harness.contracts.tuning import Direction, Pruner, Sampler
from harness.errors import nearest
from harness.plugins import Catalog
from harness.spec.checking import check
from harness.spec.experiments import Experiment
from harness.spec.nodes import Fields, Node, Problems, plain, shown
from harness.spec.resolve import refuse_choosing
from harness.spec.space import space

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class _Objective(Frozen):
    metric: str = Objective().metric
    direction: Direction | None = None
    seeds: Positive = 1


class _Confirm(Frozen):
    top: Positive = 3
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class _Written(Frozen):
    """A `tune:` entry but for `timeout` and `space`, which are read by themselves."""

    trials: Positive
    objective: _Objective = _Objective()
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    confirm: _Confirm | None = None
    final: FinalFit = FinalFit()
    timeout: Any = None
    space: dict[str, JsonValue]


def tuning(experiment: Experiment, node: Node, catalog: Catalog, problems: Problems) -> Tune | None:
    """Return a `tune:` entry, or None with its problems noted."""
    written = check(_Written, node, problems)
    draft = experiment.draft((), catalog)
    problems.take(draft.problems)
    if not isinstance(node, Fields) or draft.cell is None:
        return None
    found = Problems()
    timeout = _timeout(node.fields.get("timeout"), found)
    dimensions = space(experiment, node.fields.get("space"), catalog, found)
    if written is not None:
        _refuse_contradictions(written, node, experiment, found)
        _refuse_grid(written.sampler, dimensions, _below(node, "space"), found)
        _refuse_final(written, node, draft.cell, draft.tree, found)
    problems.take(found)
    if found or written is None:
        return None
    return Tune(
        start=draft.cell,
        seeds=experiment.seeds,
        trials=written.trials,
        timeout=timeout,
        objective=_objective(written.objective),
        sampler=written.sampler,
        pruner=written.pruner,
        space=dimensions,
        confirm=None if written.confirm is None else Confirm(top=written.confirm.top, seeds=written.confirm.seeds),
        final=written.final,
    )


def _objective(written: _Objective) -> Objective:
    direction = written.direction or OBJECTIVES[written.metric]
    return Objective.model_validate({"metric": written.metric, "direction": direction, "seeds": written.seeds})


def _timeout(node: Node | None, problems: Problems) -> float | None:
    """Return seconds from a number of them, or `2h`, `30m`, `45s`, `1h30m`."""
    value = None if node is None else plain(node)
    if node is None or value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"(\d+(\.\d+)?[smhd])+", value):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value)
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        if seconds > 0:
            return seconds
    problems.at(node, f"{shown(value)} is not a time such as 2h, 30m, 45s or a positive number of seconds")
    return None


def _refuse_contradictions(written: _Written, node: Fields, experiment: Experiment, problems: Problems) -> None:
    metric = written.objective.metric
    if metric not in OBJECTIVES:
        why = "a search sees validation only" if metric.startswith("test/") else "no such metric to search by"
        problems.at(_below(node, "objective", "metric"), f'"{metric}": {why}{nearest(metric, OBJECTIVES)}')
    if written.objective.seeds > len(experiment.seeds):
        text = f"{written.objective.seeds} seeds, but the experiment has {len(experiment.seeds)}"
        problems.at(_below(node, "objective", "seeds"), text)
    if written.confirm is not None:
        _refuse_confirm(written, written.confirm, node, experiment, problems)


def _refuse_grid(sampler: str, dimensions: Mapping[str, Range | Choices], node: Node, problems: Problems) -> None:
    """Note ranges that a grid has no points for."""
    for path, each in dimensions.items() if sampler == "grid" else ():
        if isinstance(each, Range) and each.step is None and not each.int:
            problems.at(_below(node, path), "a grid needs choices, a step or int: true")


def _refuse_confirm(
    written: _Written, confirm: _Confirm, node: Fields, experiment: Experiment, problems: Problems
) -> None:
    seeds = _below(node, "confirm", "seeds")
    stale = sorted(set(confirm.seeds) & set(experiment.seeds))
    if stale:
        problems.at(seeds, f"seeds must be fresh; the experiment itself uses {', '.join(map(str, stale))}")
    if len(set(confirm.seeds)) < len(confirm.seeds):
        problems.at(seeds, "the same seed is there twice")
    if confirm.top > written.trials:
        problems.at(_below(node, "confirm", "top"), f"{confirm.top} of {written.trials} trials")


def _refuse_final(written: _Written, node: Fields, start: Cell, tree: Fields, problems: Problems) -> None:
    """Note a start that chooses an epoch by validation, which `final: train+val` has not."""
    chosen = Problems()
    refuse_choosing(start.model_copy(update={"train_on": written.final.train_on}), tree, chosen)
    if chosen:
        text = "train+val leaves no validation images, but the recipe stops early or keeps the best epoch by them"
        problems.at(_below(node, "final", "train_on"), text)


def _below(node: Node, *names: str) -> Node:
    """Return the node at these names, or the deepest that there is."""
    for name in names:
        if isinstance(node, Fields) and name in node.fields:
            node = node.fields[name]
    return node
