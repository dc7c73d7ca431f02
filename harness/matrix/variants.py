"""Variants of an experiment: its axes multiplied, less what `exclude` matches, and `add`; values that `--set` fixes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from harness.errors import MatrixError
from harness.matrix.document import refuse_name
from harness.matrix.experiments import Assignment, Draft, Experiment, assignment, assignments_of
from harness.matrix.nodes import Fields, Items, Mark, Node, Problems, child, name_in, plain
from harness.matrix.paths import wrong_path
from harness.matrix.yaml_text import parse
from harness.plugins import Catalog
from harness.words import labels, value_text

MOST_VARIANTS: Final = 20_000
"""Of a study, its seeds not counted."""
TOO_MANY: Final = f"makes more than {MOST_VARIANTS:,} variants, those of the experiments above counted"
_NOTHING = object()
_LAST: Final = 1_000
"""Sorts the problems of `--set` after those of all files."""
_Row: TypeAlias = tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One combination of an experiment's axes, or one addition; `mark` is where it is written."""

    assignments: tuple[Assignment, ...]
    label: str
    mark: Mark
    where: str
    draft: Draft

    @property
    def values(self) -> tuple[tuple[str, JsonValue], ...]:
        """The paths that tell it from its siblings, with their values."""
        return tuple((each.path, each.written) for each in self.assignments)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Paths that vary together, and the rows of values they take."""

    rows: tuple[_Row, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(each.path for each in self.rows[0])


def variants(experiment: Experiment, catalog: Catalog, problems: Problems, most: int) -> tuple[Variant, ...]:
    """Return an experiment's variants in file order, the last axis varying fastest, additions last; at most so many."""
    axes = _axes(experiment, experiment.node.fields.get("matrix"), problems)
    if prod(len(axis.rows) for axis in axes) > most:
        problems.at_key(experiment.node, "matrix", TOO_MANY)
        return ()
    found = _kept(experiment, _combined(experiment, axes, catalog), catalog, problems)
    found += _added(experiment, catalog, problems)
    for each in found:
        problems.take(each.draft.problems)
    return tuple(found)


def _axes(experiment: Experiment, node: Node | None, problems: Problems) -> list[_Axis]:
    if node is None:
        return []
    if not isinstance(node, Fields) or not node.fields:
        problems.at_key(experiment.node, "matrix", "is not a mapping from paths to lists of values")
        return []
    axes: list[_Axis] = []
    for key, value in node.fields.items():
        _refuse_twice(node, key, axes, problems)
        rows = _free(tuple(_rows(node, key, value, problems)), experiment.overrides)
        axes += [_Axis(rows)] if rows and rows[0] else []
    return axes


def _refuse_twice(node: Fields, key: str, axes: Sequence[_Axis], problems: Problems) -> None:
    paths = _paths_in(key)
    for path in paths:
        if paths.count(path) > 1 or any(path in axis.paths for axis in axes):
            problems.at_key(node, key, f'"{path}" is on two axes')


def _paths_in(key: str) -> list[str]:
    return [path.strip() for path in key.split(",")]


def _rows(node: Fields, key: str, value: Node, problems: Problems) -> Iterator[_Row]:
    """Yield the rows of one axis; coupled axes, `a, b`, have a list of values in each."""
    if not isinstance(value, Items) or not value.items:
        problems.at(value, "is not a list of values; an axis is a list")
        return
    paths, mark, where = _paths_in(key), node.key_mark(key), child(node.path, key)
    seen: set[str] = set()
    for item in value.items:
        values: tuple[Node, ...] = (item,)
        if len(paths) > 1:
            values = item.items if isinstance(item, Items) else ()
        if len(values) != len(paths):
            problems.at(item, f"is not a list of {len(paths)} values, one for each of {', '.join(paths)}")
            continue
        text = json.dumps(plain(item), sort_keys=True)
        if text in seen:
            problems.at(item, f"{value_text(plain(item), True)} is there twice")
            continue
        seen.add(text)
        yield tuple(assignment(path, each, mark, where) for path, each in zip(paths, values, strict=True))


def _free(rows: tuple[_Row, ...], overrides: Sequence[Assignment]) -> tuple[_Row, ...]:
    """Return the rows without the paths that `--set` fixes, and without rows that this makes equal."""
    fixed = {each.path for each in overrides}
    if not any(each.path in fixed for row in rows for each in row):
        return rows
    free = [tuple(each for each in row if each.path not in fixed) for row in rows]
    first: dict[str, _Row] = {}
    for row in free:
        first.setdefault(json.dumps([each.written for each in row]), row)
    return tuple(first.values())


def _combined(experiment: Experiment, axes: Sequence[_Axis], catalog: Catalog) -> list[Variant]:
    paths = [path for axis in axes for path in axis.paths]
    columns = [[row[place].written for row in axis.rows] for axis in axes for place in range(len(axis.paths))]
    texts = iter(labels(paths, columns))
    named = [list(zip(axis.rows, zip(*(next(texts) for _ in axis.paths), strict=True), strict=True)) for axis in axes]
    found = []
    for chosen in product(*named):
        assigned = tuple(each for row, _ in chosen for each in row)
        text = " ".join(part for _, parts in chosen for part in parts)
        draft = experiment.draft(assigned, catalog)
        found.append(Variant(assigned, text, experiment.mark, experiment.path, draft))
    return found


def _added(experiment: Experiment, catalog: Catalog, problems: Problems) -> list[Variant]:
    node = experiment.node.fields.get("add")
    if node is None:
        return []
    if not isinstance(node, Items):
        problems.at(node, "is not a list of additions, each {name: ..., path: value}")
        return []
    found = [_addition(experiment, item, catalog, problems) for item in node.items]
    return [each for each in found if each is not None]


def _addition(experiment: Experiment, node: Node, catalog: Catalog, problems: Problems) -> Variant | None:
    name = name_in(node)
    if not isinstance(node, Fields) or not name:
        problems.add(node.mark, child(node.path, "name"), "is missing: an addition is {name: ..., path: value}")
        return None
    refuse_name(name, node.fields["name"].mark, node.fields["name"].path, problems)
    assigned = assignments_of(node, problems, skip=("name",))
    return Variant(assigned, name, node.mark, node.path, experiment.draft(assigned, catalog))


def _kept(experiment: Experiment, found: list[Variant], catalog: Catalog, problems: Problems) -> list[Variant]:
    """Return the variants that no `exclude` matches; one that matches nothing is a problem."""
    node = experiment.node.fields.get("exclude")
    if node is None:
        return found
    if not isinstance(node, Items):
        problems.at(node, "is not a list of mappings from paths to values")
        return found
    for item in node.items:
        found = _without(experiment, item, found, catalog, problems)
    return found


def _without(
    experiment: Experiment, item: Node, found: list[Variant], catalog: Catalog, problems: Problems
) -> list[Variant]:
    conditions = assignments_of(item, problems)
    if not conditions:
        problems.at(item, "names no path")
        return found
    fixed = {each.path for each in experiment.overrides}
    left = [each for each in found if not _matches(each.draft, conditions)]
    is_loose = any(each.path in fixed for each in conditions)
    if len(left) == len(found) and not _refuse_unknown(conditions, found, catalog, problems) and not is_loose:
        problems.at(item, "excludes nothing: no variant has these values")
    return left


def _refuse_unknown(
    conditions: Sequence[Assignment], found: Sequence[Variant], catalog: Catalog, problems: Problems
) -> bool:
    """Note the paths of an exclude that no variant has."""
    wrong = [(each, _unknown_path(each.path, found, catalog)) for each in conditions]
    for each, text in wrong:
        if text is not None:
            problems.add(each.mark, each.where, text)
    return any(text is not None for _, text in wrong)


def _unknown_path(path: str, found: Sequence[Variant], catalog: Catalog) -> str | None:
    """Return what is wrong with a path where none of the variants has it."""
    texts = [wrong_path(each.draft.tree, path, catalog) for each in found]
    wrong = [text for text in texts if text is not None]
    if len(wrong) < len(found) or not wrong:
        return None
    return next((text for text in wrong if "did you mean" in text), wrong[-1])


def _matches(draft: Draft, conditions: Sequence[Assignment]) -> bool:
    """Whether a cell has every one of these values, its defaults included where it is valid."""
    cell = draft.cell.model_dump(mode="json") if draft.cell is not None else plain(draft.tree)
    return all(_agrees(plain(each.value), _value_at(cell, each.path)) for each in conditions)


def _value_at(value: Any, path: str) -> Any:
    """Return what stands at a path of plain data, list entries reached by their name."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part, _NOTHING)
        elif isinstance(value, list):
            named = [item for item in value if isinstance(item, Mapping) and item.get("name") == part]
            value = named[0] if named else _NOTHING
        else:
            return _NOTHING
    return value


def _agrees(wanted: Any, actual: Any) -> bool:
    """Whether a value is the wanted one; of a mapping, the entries that are named count."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(_agrees(wanted[name], actual.get(name, _NOTHING)) for name in wanted)
    if isinstance(wanted, list):
        same_length = isinstance(actual, list) and len(wanted) == len(actual)
        return same_length and all(_agrees(one, other) for one, other in zip(wanted, actual, strict=True))
    return isinstance(wanted, bool) == isinstance(actual, bool) and bool(wanted == actual)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What `--set` says: seeds for every experiment, paths for those that have them, keys of `tune:`."""

    assignments: tuple[Assignment, ...] = ()
    seeds: Node | None = None
    tune: tuple[Assignment, ...] = ()
    """Paths such as `tune.mlp.trials`."""


def read_overrides(texts: Sequence[str], problems: Problems) -> Overrides:
    """Return the overrides; of one path given twice the last one holds."""
    found = {}
    for place, text in enumerate(texts):
        path, equals, value = text.partition("=")
        mark = Mark(_LAST + place, 0, 0, f"--set {text}")
        if not equals or not path.strip():
            problems.add(mark, "", "is not of the form PATH=VALUE")
            continue
        try:
            found[path.strip()] = (parse(value or "null", mark, problems), mark)
        except MatrixError as error:
            problems.add(mark, "", "; ".join(error.problems).removeprefix(f"{mark}: "))
    seeds = found.pop("seeds", None)
    given = [assignment(path, node, mark, "", optional=True) for path, (node, mark) in found.items()]
    assignments = tuple(each for each in given if not _is_of_tune(each.path))
    tune = tuple(each for each in given if _is_of_tune(each.path))
    return Overrides(assignments, seeds[0] if seeds is not None else None, tune)


def _is_of_tune(path: str) -> bool:
    return path.partition(".")[0] == "tune"


def refuse_unused(overrides: Overrides, variants: Sequence[Variant], catalog: Catalog, problems: Problems) -> None:
    """Note every `--set` whose path no experiment has."""
    for each in overrides.assignments:
        wrong = _unknown_path(each.path, variants, catalog)
        if wrong is not None:
            problems.add(each.mark, "", wrong)
