"""A cell with some paths set to other values: what a search does to its starting point."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from harness.contracts import Cell
from harness.plugins import Catalog
from harness.spec.experiments import assign, assignment
from harness.spec.merging import depth
from harness.spec.nodes import Fields, Mark, Problems, node_of
from harness.spec.resolve import resolve


def varied(cell: Cell, values: Mapping[str, JsonValue], catalog: Catalog) -> Cell:
    """Return the cell with these paths set, by the rules of a matrix file's axes; its seed stays.

    Raises:
        MatrixError: a path that does not exist, or a value that it does not take.
    """
    problems, mark = Problems(), Mark(0, 0, 0, "values")
    whole = cell.model_dump(mode="json", exclude={"seed"} if cell.recipe else {"seed", "recipe"})
    tree = node_of(whole, mark)
    assert isinstance(tree, Fields)
    steps = [assignment(path, node_of(value, mark, path), mark, path) for path, value in values.items()]
    tree = assign(tree, sorted(steps, key=lambda each: depth(each.path)), catalog, problems)
    found = resolve(tree, catalog, problems)
    problems.raise_any()
    assert found is not None
    return found.model_copy(update={"seed": cell.seed})
