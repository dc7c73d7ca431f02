"""`tune:` -> validated tuning studies; running them is another part's work."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field

from harness.contracts import Cell, Confirm, FinalFit, Frozen, Positive, Tune
from harness.contracts.tuning import Pruner, Sampler
from harness.plugins import Catalog
from harness.spec.checking import check, positive
from harness.spec.experiments import Experiment
from harness.spec.goals import constraints, objective
from harness.spec.nodes import Fields, Node, Problems, plain, shown
from harness.spec.space import chooses_epoch, space
from harness.spec.suitable import refuse_pruner, refuse_sampler

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_Model = TypeVar("_Model", bound=BaseModel)


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
    constraints: Any = None
    confirm: Any = None
    final: Any = None


def tuning(experiment: Experiment, node: Node, catalog: Catalog, problems: Problems) -> Tune | None:
    """Return a `tune:` entry, or None with its problems noted."""
    found, draft = Problems(), experiment.draft((), catalog)
    found.take(draft.problems)
    written, start = check(WrittenTune, node, found), draft.cell
    timeout = _timeout(_entry(node, "timeout"), found)
    final = _sub(node, "final", FinalFit, found) or FinalFit()
    goals = objective(experiment, start, _entry(node, "objective"), found)
    limits = constraints(start, _entry(node, "constraints"), found)
    dimensions = space(experiment, start, _entry(node, "space"), catalog, found, final=final.train_on)
    confirm = _confirm(node, experiment, found)
    if start is not None:
        _refuse_start(start, final, node, found)
    if written is not None:
        refuse_sampler(written.sampler, dimensions, goals, node, found)
        _refuse_top(confirm, written.trials, node, found)
    if written is not None and start is not None:
        refuse_pruner(written.pruner, goals, start, node, found)
    problems.take(found)
    if found or written is None or start is None:
        return None
    return Tune(
        start=start,
        seeds=experiment.seeds,
        trials=written.trials,
        timeout=timeout,
        objective=goals,
        sampler=written.sampler,
        pruner=written.pruner,
        space=dimensions,
        constraints=limits,
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
    seconds = positive(value)
    if isinstance(value, str) and re.fullmatch(r"(\d+(\.\d+)?[smhd])+", value):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value)
        seconds = positive(sum(float(number) * _SECONDS[unit] for number, unit in parts))
    if seconds is not None:
        return seconds
    problems.at(node, f"{shown(value)} is not a time such as 2h, 30m, 45s or a positive number of seconds")
    return None


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


def _refuse_start(start: Cell, final: FinalFit, node: Node, problems: Problems) -> None:
    """Note an experiment that has no validation images to search by, or none left where its winner needs them."""
    if start.train_on == "train+val":
        text = "the experiment's train_on: train+val leaves no validation images to search by"
        problems.at(node, f"{text}; take it off there and write final: {{train_on: train+val}} here")
    elif final.train_on == "train+val" and chooses_epoch(start):
        text = "train+val leaves no validation images, but the recipe stops early or keeps the best epoch by them"
        problems.at(_below(node, "final", "train_on"), text)


def _entry(node: Node, name: str) -> Node | None:
    return node.fields.get(name) if isinstance(node, Fields) else None


def _below(node: Node, *names: str) -> Node:
    """Return the node at these names, or the deepest that there is."""
    for name in names:
        node = _entry(node, name) or node
    return node
