"""A search in Optuna's terms: distributions, points, samplers and pruners, drawn alike by the same study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeAlias

import optuna
from optuna import pruners, samplers
from pydantic import JsonValue

from harness.contracts import Cell, Choices, Range, Tune
from harness.matrix import varied
from harness.plugins import Catalog

REDUCTION: Final = 3
"""Of successive halving and Hyperband: a third goes on at each rung, as in Li et al. 2018, section 3.6."""
STARTUP_TRIALS: Final = 5
"""Complete trials before the median rule prunes."""
WARMUP_EPOCHS: Final = 1
"""The median rule does not judge by the first epoch."""


def make_sampler(tune: Tune, study: str, number: int) -> samplers.BaseSampler:
    """Return the sampler that draws trial `number`.

    A sampler's random state is not stored with a study, so each trial's comes from the study's name and the
    trial's number; a quasi-random sequence is one sequence and keeps one seed.
    """
    seed = seed_of(study, number)
    has_conditions = any(dimension.when for dimension in tune.space.values())
    match tune.sampler:
        case "tpe":
            return samplers.TPESampler(seed=seed, multivariate=True, group=has_conditions, constant_liar=True)
        case "gp":
            return samplers.GPSampler(
                seed=seed,
                independent_sampler=samplers.RandomSampler(seed),
                deterministic_objective=False,
                warn_independent_sampling=False,
            )
        case "cmaes":
            return samplers.CmaEsSampler(
                seed=seed,
                independent_sampler=samplers.RandomSampler(seed),
                warn_independent_sampling=False,
            )
        case "qmc":
            return samplers.QMCSampler(
                seed=seed_of(study, -1),
                scramble=True,
                independent_sampler=samplers.RandomSampler(seed),
                warn_asynchronous_seeding=False,
                warn_independent_sampling=False,
            )
        case "random" | "grid":  # a grid's points are put in by number, nothing is drawn
            return samplers.RandomSampler(seed)


def make_pruner(tune: Tune) -> pruners.BasePruner | None:
    """Return the pruner, None where nothing is pruned. A step is an epoch, from 1."""
    epochs = epochs_of(tune)
    match tune.pruner:
        case "none":
            return None
        case "median":
            return _median()
        case "patient":
            return pruners.PatientPruner(_median(), patience=max(1, epochs // 5))
        case "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=REDUCTION)
        case "successive_halving":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)


def epochs_of(tune: Tune) -> int:
    """Return the most epochs that a trial can take; 1 for models without a recipe."""
    longest = tune.start.recipe.epochs if tune.start.recipe else 1
    for path, dimension in tune.space.items():
        if path == "recipe.epochs":
            values = [dimension.high] if isinstance(dimension, Range) else dimension.choices
            longest = max(int(value) for value in values if isinstance(value, int | float))
    return longest


def seed_of(study: str, number: int) -> int:
    """Return the seed of a trial, 32 bits."""
    return int.from_bytes(sha256(f"{study} {number}".encode()).digest()[:4], "big")


def _median() -> pruners.MedianPruner:
    return pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS + 1)


Space: TypeAlias = Mapping[str, Range | Choices]
"""Each dimension behind those that it depends on."""
Point: TypeAlias = dict[str, JsonValue]
"""Path -> value as a matrix file takes it."""


def suggested(space: Space, trial: optuna.Trial) -> Point:
    """Return a trial's point: each dimension that exists there."""
    point: Point = {}
    for path in space:
        if exists_at(space[path], point):
            point[path] = _suggested(path, space[path], trial)
    return point


def _suggested(path: str, dimension: Range | Choices, trial: optuna.Trial) -> JsonValue:
    if isinstance(dimension, Choices):
        chosen = trial.suggest_categorical(path, [_text(choice) for choice in dimension.choices])
        return next(choice for choice in dimension.choices if _text(choice) == chosen)
    low, high, log, step = dimension.low, dimension.high, dimension.log, dimension.step
    if dimension.int:
        return int(trial.suggest_int(path, int(low), int(high), log=log, step=int(step or 1)))
    return float(trial.suggest_float(path, low, high, log=log, step=step))


def exists_at(dimension: Range | Choices, point: Mapping[str, JsonValue]) -> bool:
    """Whether all that the dimension depends on has the values that it asks for."""
    return all(path in point and point[path] == value for path, value in dimension.when.items())


def optuna_value(dimension: Range | Choices, value: JsonValue) -> Any:
    """Return a matrix file's value as Optuna takes it."""
    return _text(value) if isinstance(dimension, Choices) else value


def start_point(space: Space, start: Cell, catalog: Catalog) -> tuple[Point, tuple[str, ...]]:
    """Return the experiment's own settings as a point, and the paths whose own value lies outside of the space."""
    point: Point = {}
    outside = []
    for path in space:
        dimension = space[path]
        if not exists_at(dimension, point):
            continue
        found = _own_value(path, dimension, start, catalog)
        if found is None:
            outside.append(path)
        else:
            point[path] = found[0]
    return point, tuple(outside)


def grid_points(space: Space) -> list[Point]:
    """Return the points of a grid in file order, the last dimension varying fastest."""
    return list(_grid(space, list(space), {}))


def _grid(space: Space, paths: Sequence[str], point: Point) -> Iterator[Point]:
    if not paths:
        yield point
        return
    path, rest = paths[0], paths[1:]
    values = _values(space[path]) if exists_at(space[path], point) else None
    if values is None:
        yield from _grid(space, rest, point)
        return
    for value in values:
        yield from _grid(space, rest, {**point, path: value})


def _values(dimension: Range | Choices) -> list[JsonValue]:
    if isinstance(dimension, Choices):
        return list(dimension.choices)
    step = dimension.step or 1
    count = int((dimension.high - dimension.low) / step + 1e-9) + 1
    return [_number(dimension, round(dimension.low + place * step, 12)) for place in range(count)]


def _number(dimension: Range, value: float) -> JsonValue:
    return int(value) if dimension.int else float(value)


def _own_value(path: str, dimension: Range | Choices, start: Cell, catalog: Catalog) -> tuple[JsonValue] | None:
    """Return the start's value of a dimension in a tuple, or None where the space has no such value."""
    if isinstance(dimension, Choices):
        same = (each for each in dimension.choices if varied(start, {path: each}, catalog) == start)
        return next(((each,) for each in same), None)
    value = _walk(start.model_dump(mode="json"), path.split("."))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (_number(dimension, value),) if is_number and _holds(dimension, value) else None


def _holds(dimension: Range, value: float) -> bool:
    """Whether a number lies in a range, on one of its steps if it has any."""
    steps = (value - dimension.low) / (dimension.step or (1 if dimension.int else value - dimension.low or 1))
    return dimension.low <= value <= dimension.high and abs(steps - round(steps)) < 1e-8


def _walk(tree: Any, names: Sequence[str]) -> Any:
    """Return the value at a path of a dumped cell, None where there is none; lists hold components by name."""
    for name in names:
        if isinstance(tree, list):
            tree = next((each for each in tree if isinstance(each, dict) and each.get("name") == name), None)
        elif isinstance(tree, dict):
            tree = tree.get(name)
        else:
            return None
    return tree


def _text(choice: JsonValue) -> Any:
    """Return a choice as Optuna stores it: numbers, text, booleans and null as they are, all else as JSON."""
    return json.dumps(choice, sort_keys=True) if isinstance(choice, list | dict) else choice
