"""`tune:` -> validated tuning studies; running them is another part's work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field

from harness.contracts import Cell, Choices, Confirm, FinalFit, Frozen, Objective, Positive, Range, Tune
from harness.contracts.metrics import OBJECTIVES, VAL_ACCURACY
from harness.contracts.tuning import Direction, Pruner, Sampler
from harness.errors import nearest
from harness.plugins import Catalog
from harness.spec.checking import check
from harness.spec.experiments import Experiment
from harness.spec.nodes import Fields, Node, Problems, plain, shown
from harness.spec.resolve import refuse_choosing
from harness.spec.space import space

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_Model = TypeVar("_Model", bound=BaseModel)


class WrittenObjective(Frozen):
    """An objective as written: the direction follows from the metric where none is given."""

    metric: str = VAL_ACCURACY
    direction: Direction | None = None
    seeds: Positive = 1


class WrittenConfirm(Frozen):
    """A confirmation as written."""

    top: Positive = 3
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class WrittenTune(Frozen):
    """A `tune:` entry; its mappings are read by themselves, so that one mistake hides no other."""

    trials: Positive
    sampler: Sampler = "tpe"
    pruner: Pruner = "none"
    space: Any
    timeout: Any = None
    objective: Any = None
    confirm: Any = None
    final: Any = None


def tuning(experiment: Experiment, node: Node, catalog: Catalog, problems: Problems) -> Tune | None:
    """Return a `tune:` entry, or None with its problems noted."""
    found, draft = Problems(), experiment.draft((), catalog)
    written = check(WrittenTune, node, found)
    timeout = _timeout(_entry(node, "timeout"), found)
    dimensions = space(experiment, _entry(node, "space"), catalog, found)
    objective = _objective(node, experiment, found)
    confirm = _confirm(node, experiment, found)
    final = _sub(node, "final", FinalFit, found) or FinalFit()
    if draft.cell is not None:
        _refuse_final(final, node, draft.cell, draft.tree, found)
    if written is not None:
        _refuse_grid(written.sampler, dimensions, node, found)
        _refuse_top(confirm, written.trials, node, found)
    found.take(draft.problems)
    problems.take(found)
    if found or written is None or draft.cell is None:
        return None
    return Tune(
        start=draft.cell,
        seeds=experiment.seeds,
        trials=written.trials,
        timeout=timeout,
        objective=objective,
        sampler=written.sampler,
        pruner=written.pruner,
        space=dimensions,
        confirm=confirm,
        final=final,
    )


def _sub(node: Node, name: str, model: type[_Model], problems: Problems) -> _Model | None:
    """Return a mapping of the entry as settings, or None where it is absent, null or wrong."""
    entry = _entry(node, name)
    return None if entry is None or plain(entry) is None else check(model, entry, problems)


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


def _objective(node: Node, experiment: Experiment, problems: Problems) -> Objective:
    written = _sub(node, "objective", WrittenObjective, problems) or WrittenObjective()
    metric, seeds = written.metric, written.seeds
    if metric not in OBJECTIVES:
        why = "a search sees validation only" if metric.startswith("test/") else "there is no such metric to search by"
        problems.at(_below(node, "objective", "metric"), f'"{metric}": {why}{nearest(metric, OBJECTIVES)}')
        return Objective()
    if seeds > len(experiment.seeds) > 0:
        text = f"{seeds} seeds, but the experiment has {len(experiment.seeds)}"
        problems.at(_below(node, "objective", "seeds"), text)
    return Objective(metric=metric, direction=written.direction or OBJECTIVES[metric], seeds=seeds)


def _confirm(node: Node, experiment: Experiment, problems: Problems) -> Confirm | None:
    written = _sub(node, "confirm", WrittenConfirm, problems)
    if written is None:
        return None
    at = _below(node, "confirm", "seeds")
    stale = sorted(set(written.seeds) & set(experiment.seeds))
    if stale:
        problems.at(at, f"seeds must be fresh; the experiment itself uses {', '.join(map(str, stale))}")
    if len(set(written.seeds)) < len(written.seeds):
        problems.at(at, "the same seed is there twice")
    return Confirm(top=written.top, seeds=written.seeds)


def _refuse_top(confirm: Confirm | None, trials: int, node: Node, problems: Problems) -> None:
    if confirm is not None and confirm.top > trials:
        problems.at(_below(node, "confirm", "top"), f"the best {confirm.top} of {trials} trials: there are too few")


def _refuse_grid(sampler: str, dimensions: Mapping[str, Range | Choices], node: Node, problems: Problems) -> None:
    """Note ranges that a grid has no points for."""
    for path, each in dimensions.items() if sampler == "grid" else ():
        if isinstance(each, Range) and each.step is None and not each.int:
            problems.at(_below(node, "space", path), "a grid needs choices, a step or int: true")


def _refuse_final(final: FinalFit, node: Node, start: Cell, tree: Fields, problems: Problems) -> None:
    """Note a start that chooses an epoch by validation, which `final: train+val` has not."""
    chosen = Problems()
    refuse_choosing(start.model_copy(update={"train_on": final.train_on}), tree, chosen)
    if chosen:
        text = "train+val leaves no validation images, but the recipe stops early or keeps the best epoch by them"
        problems.at(_below(node, "final", "train_on"), text)


def _entry(node: Node, name: str) -> Node | None:
    return node.fields.get(name) if isinstance(node, Fields) else None


def _below(node: Node, *names: str) -> Node:
    """Return the node at these names, or the deepest that there is."""
    for name in names:
        node = _entry(node, name) or node
    return node
