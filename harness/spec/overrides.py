"""`--set PATH=VALUE`: text -> seeds and assignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.errors import MatrixError
from harness.plugins import Catalog
from harness.spec.experiments import Assignment, assignment
from harness.spec.nodes import Mark, Node, Problems
from harness.spec.text import parse
from harness.spec.variants import Variant, unknown_path

_LAST: Final = 1_000
"""Sorts the problems of `--set` after those of all files."""


@dataclass(frozen=True, slots=True)
class TuneOverride:
    """The value of one `--set tune.NAME.KEY=VALUE`."""

    value: Node
    mark: Mark


@dataclass(frozen=True, slots=True)
class Overrides:
    """What `--set` says: seeds for every experiment, paths for those that have them, keys of `tune:`."""

    assignments: tuple[Assignment, ...] = ()
    seeds: Node | None = None
    tune: Mapping[str, TuneOverride] = field(default_factory=dict)
    """By path, such as `tune.mlp.trials`."""


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
    tune = {path: TuneOverride(*found.pop(path)) for path in list(found) if path.partition(".")[0] == "tune"}
    assignments = tuple(assignment(path, node, mark, "", optional=True) for path, (node, mark) in found.items())
    return Overrides(assignments, seeds[0] if seeds is not None else None, tune)


def refuse_unused(overrides: Overrides, variants: Sequence[Variant], catalog: Catalog, problems: Problems) -> None:
    """Note every `--set` whose path no experiment has."""
    for each in overrides.assignments:
        wrong = unknown_path(each.path, variants, catalog)
        if wrong is not None:
            problems.add(each.mark, "", wrong)
