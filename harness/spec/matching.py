"""Whether a cell has the values that an `exclude` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.spec.experiments import Assignment, Draft
from harness.spec.nodes import plain

_NOTHING = object()


def matches(draft: Draft, conditions: Sequence[Assignment]) -> bool:
    """Whether a cell has every one of these values, its defaults included where it is valid."""
    cell = draft.cell.model_dump(mode="json") if draft.cell is not None else plain(draft.tree)
    return all(_agrees(plain(each.value), value_at(cell, each.path)) for each in conditions)


def value_at(value: Any, path: str) -> Any:
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
