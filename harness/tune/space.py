"""A search space in Optuna's terms, and points of it in a matrix file's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import optuna
from pydantic import JsonValue

from harness.contracts import Cell, Choices, Range
from harness.plugins import Catalog
from harness.spec import varied

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
