"""The `tune:` section: what each search goes for, by what, and within what, all held against its experiment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import BaseModel, Field

from harness.contracts import Cell, Choices, Confirm, FinalFit, Frozen, Goal, Objective, Positive, Range, Tune
from harness.contracts.metrics import COSTS, EPOCH_METRICS, METRICS, OBJECTIVES, PEAK_BYTES, VAL_ACCURACY, metric_of
from harness.contracts.tuning import Direction, Pruner, Sampler
from harness.errors import nearest
from harness.matrix.checking import check
from harness.matrix.document import section, unmeasured
from harness.matrix.experiments import Assignment, Experiment
from harness.matrix.nodes import Fields, Items, Node, Problems, child, plain, shown
from harness.matrix.paths import put
from harness.matrix.space import chooses_epoch, points, read_space
from harness.plugins import Catalog

BETTER: Final = {key: METRICS[key].direction or "minimize" for key in (*OBJECTIVES, *COSTS)}
"""Metric -> which way is better, of all that a search can go for."""
_DIRECTIONS: Final[tuple[str, ...]] = get_args(Direction)
_MOST_POINTS: Final = 100_000
"""Of a grid; a larger one is a slip of the pen, nobody finishes it."""
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_Model = TypeVar("_Model", bound=BaseModel)


class WrittenObjective(Frozen):
    """An objective as written: metrics and directions are one or a list, read by themselves."""

    metric: Any = None
    """What a trial is judged by, a metric of validation; of a list the first decides and the others may be costs."""
    direction: Any = None
    """`maximize` or `minimize`, one for each metric; left out, the way in which each is better."""
    seeds: Positive = 1
    """How many of the experiment's seeds each trial is fitted with; its score is their mean."""


class WrittenConfirm(Frozen):
    """A confirmation as written."""

    top: Positive = 3
    """How many of the best trials run again."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    """Seeds that the experiment itself does not use."""


class WrittenTune(Frozen):
    """A `tune:` entry; its mappings are read by themselves, so that one mistake hides no other."""

    trials: Positive
    """How many settings are tried; trial 0 is the experiment as written."""
    sampler: Sampler = "tpe"
    """How the next trial is drawn; Optuna's samplers."""
    pruner: Pruner = "none"
    """What ends trials early that fall behind after an epoch; Optuna's pruners."""
    space: Any
    """What is searched: paths of the experiment's cell, each with a range or choices."""
    timeout: Any = None
    """No trial begins after it: `45s`, `30m`, `1h30m`, `2h`, or a number of seconds."""
    objective: Any = None
    """What a trial is judged by."""
    constraints: Any = None
    """The most that a winner may have of each cost, such as `{model/parameters: 500000}`."""
    confirm: Any = None
    """The best trials again on fresh seeds, still on validation; the best mean wins."""
    final: Any = None
    """How the winner is fitted before it opens the test set."""


_SETTABLE: Final = tuple(name for name in WrittenTune.model_fields if name != "space")
"""What `--set` can change of an entry."""


def read_tune(
    root: Fields,
    overrides: Sequence[Assignment],
    experiments: Mapping[str, Experiment],
    catalog: Catalog,
    problems: Problems,
) -> dict[str, Tune]:
    """Return the valid entries by experiment, in file order, with what `--set tune.NAME.KEY=VALUE` changes of them."""
    found: dict[str, Tune] = {}
    root = _with_overrides(root, overrides, problems)
    for name, node in section(root, "tune", problems).items():
        experiment = experiments.get(name)
        if experiment is not None:
            study = _tuning(experiment, node, catalog, problems)
            found |= {} if study is None else {name: study}
        elif name not in section(root, "experiments", Problems()):
            _refuse_unknown(root, name, problems)
    return found


def _refuse_unknown(root: Fields, name: str, problems: Problems) -> None:
    node, known = root.fields["tune"], section(root, "experiments", Problems())
    assert isinstance(node, Fields)
    problems.at_key(node, name, f'there is no experiment "{name}"{nearest(name, known)}')


def tune_places(root: Fields) -> dict[str, str]:
    """Return where each entry stands, as the lines of a MatrixError begin: `matrix.yaml:31:3: tune.mlp`."""
    node = root.fields.get("tune")
    if not isinstance(node, Fields):
        return {}
    return {name: f"{node.key_mark(name)}: {child('tune', name)}" for name in node.fields}


def _tuning(experiment: Experiment, node: Node, catalog: Catalog, problems: Problems) -> Tune | None:
    """Return a `tune:` entry, or None with its problems noted."""
    found, draft = Problems(), experiment.draft((), catalog)
    found.take(draft.problems)
    written, start = check(WrittenTune, node, found), draft.cell
    timeout = _timeout(_entry(node, "timeout"), found)
    final = _sub(node, "final", FinalFit, found) or FinalFit()
    goals = _objective(experiment, start, _entry(node, "objective"), found)
    limits = _constraints(start, _entry(node, "constraints"), found)
    dimensions = read_space(experiment, start, _entry(node, "space"), catalog, found, final=final.train_on)
    confirm = _confirm(node, experiment, found)
    if start is not None:
        _refuse_start(start, final, node, found)
    if written is not None:
        _refuse_sampler(written.sampler, dimensions, goals, node, found)
        _refuse_top(confirm, written.trials, node, found)
    if written is not None and start is not None:
        _refuse_pruner(written.pruner, goals, start, node, found)
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
    seconds = _positive(value)
    if isinstance(value, str) and re.fullmatch(r"(\d+(\.\d+)?[smhd])+", value):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value)
        seconds = _positive(sum(float(number) * _SECONDS[unit] for number, unit in parts))
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


def _positive(value: object) -> float | None:
    """Return a positive, finite number as a float, or None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if 0 < number < float("inf") else None


def _objective(experiment: Experiment, start: Cell | None, node: Node | None, problems: Problems) -> Objective:
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
    if metric_of(metric).is_of_test:
        return f": a search sees validation only{nearest(metric, OBJECTIVES)}"
    if metric not in BETTER:
        return f": there is no such metric to search by{nearest(metric, BETTER if before else OBJECTIVES)}"
    if not before and metric in COSTS:
        return f": a cost goes behind the metric that decides{nearest('', OBJECTIVES)}"
    reason = None if start is None or metric not in COSTS else _no_cost(metric, start)
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
            problems.at(each, f"{shown(direction)} is not one of {', '.join(_DIRECTIONS)}")
        elif better not in {None, direction}:
            way = "lower" if better == "minimize" else "higher"
            problems.at(each, f"{shown(direction)}: {metrics[place]} is better the {way} it is")


def _uneven(metrics: int, directions: int) -> str:
    return f"metric lists {metrics}, direction {directions}; write a direction for each metric, or none"


def _constraints(start: Cell | None, node: Node | None, problems: Problems) -> dict[str, float]:
    """Return the most that a winner may have of each cost, with what is wrong noted."""
    if node is None or plain(node) is None:
        return {}
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not a mapping from costs to the most there may be of each")
        return {}
    found = {}
    for metric, each in node.fields.items():
        most, reason = _positive(plain(each)), None if start is None else _no_cost(metric, start)
        if metric not in COSTS:
            problems.at_key(node, metric, f"is no cost that a trial has{nearest(metric, COSTS)}")
        elif reason:
            problems.at_key(node, metric, reason)
        if most is None:
            problems.at(each, f"{shown(plain(each))} is not a positive, finite number")
        else:
            found[metric] = most
    return found


def _no_cost(metric: str, cell: Cell) -> str | None:
    """Return why a metric says nothing of what a cell costs, or None."""
    if metric == PEAK_BYTES and cell.recipe is None:
        return f'for model "{cell.model.name}" it is the peak of the whole process, whatever that did before'
    return unmeasured(metric, cell)


def _refuse_sampler(
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
    if size > _MOST_POINTS:
        problems.at(node.fields["sampler"], f"a grid of {size} points is too large; at most {_MOST_POINTS}")


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


def _refuse_pruner(pruner: Pruner, goals: Objective, start: Cell, node: Node, problems: Problems) -> None:
    """Note a pruner that would have nothing to judge unfinished trials by."""
    assert isinstance(node, Fields)
    for text in _unprunable(goals, start) if pruner != "none" else ():
        problems.at(node.fields["pruner"], f"{pruner} {text}; write pruner: none")


def _unprunable(goals: Objective, start: Cell) -> Iterator[str]:
    metric = goals.first.metric
    if len(goals.goals) > 1:
        yield f"cannot prune by several metrics ({', '.join(goal.metric for goal in goals.goals)})"
    elif start.recipe is None:
        yield f'cannot prune: model "{start.model.name}" takes no recipe and has no epochs to be judged by'
    elif metric not in EPOCH_METRICS:
        yield f"cannot prune by {metric}, which is measured at the end only, not after each epoch"


def _entry(node: Node, name: str) -> Node | None:
    return node.fields.get(name) if isinstance(node, Fields) else None


def _below(node: Node, *names: str) -> Node:
    """Return the node at these names, or the deepest that there is."""
    for name in names:
        node = _entry(node, name) or node
    return node


def _with_overrides(root: Fields, overrides: Sequence[Assignment], problems: Problems) -> Fields:
    """Return the document with `--set tune.NAME.KEY=VALUE` in it; one that reaches nothing is noted."""
    entries = dict(section(root, "tune", Problems()))
    for each in overrides:
        name, key = _parted(each.path, entries)
        entry = entries.get(name)
        wrong = _wrong(name, key, entries) or _unreachable(name, key, entry)
        if wrong:
            problems.add(each.mark, "", wrong)
        elif isinstance(entry, Fields):
            entries[name] = put(entry, key, each.value)
    node = root.fields.get("tune")
    if not isinstance(node, Fields):
        return root
    return root.with_fields({**root.fields, "tune": node.with_fields(entries)})


def _parted(path: str, entries: Mapping[str, object]) -> tuple[str, str]:
    """Return the name of an entry, which may have dots of its own, and the key below it."""
    rest = path.removeprefix("tune").removeprefix(".")
    names = [name for name in entries if rest == name or rest.startswith(f"{name}.")]
    name = max(names, key=len) if names else rest.partition(".")[0]
    return name, rest[len(name) + 1 :]


def _wrong(name: str, key: str, entries: Mapping[str, object]) -> str:
    first = key.partition(".")[0]
    if name not in entries:
        return f'there is no tuning study "{name}"{nearest(name, entries)}'
    if not key:
        return "is not of the form tune.NAME.KEY=VALUE"
    if first == "space":
        return "a space cannot be set; change the file"
    return "" if first in _SETTABLE else f'tune.{name} has no "{first}"{nearest(first, _SETTABLE)}'


def _unreachable(name: str, key: str, entry: Node | None) -> str:
    """Return what is wrong with a key below something that is no mapping."""
    above = f"tune.{name}"
    for part in key.split(".")[:-1]:
        entry = entry.fields.get(part) if isinstance(entry, Fields) else None
        above = f"{above}.{part}"
        if entry is not None and not isinstance(entry, Fields) and plain(entry) is not None:
            return f'there is nothing below "{above}"'
    return ""
