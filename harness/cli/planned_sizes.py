"""The sizes of planned cells: each distinct model is built once for each distinct image shape."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.cli.sizes import Size, plain_task, size_of
from harness.contracts import Cell, Layout, PlannedCell
from harness.data.cache import origin_of, read_meta
from harness.errors import InputError
from harness.plugins import Catalog


def sizes_of(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> dict[str, Size | InputError | None]:
    """Return each cell's size by its key: None for models without layers, an error where a model does not fit.

    Data sets are decoded where they are not cached.
    """
    known: dict[tuple[str, Layout], Size | InputError | None] = {}
    layouts: dict[str, Layout] = {}
    found: dict[str, Size | InputError | None] = {}
    for planned in cells:
        cell = planned.cell
        data = cell.dataset.model_dump_json()
        if data not in layouts:
            layouts[data] = read_meta(origin_of(cell.dataset, catalog, cache), "train").layout
        kind = (cell.model.model_dump_json(), layouts[data])
        if kind not in known:
            known[kind] = _size(cell, layouts[data], catalog)
        found[planned.key] = known[kind]
    return found


def _size(cell: Cell, layout: Layout, catalog: Catalog) -> Size | InputError | None:
    model = catalog.realize("model", cell.model.name, cell.model.options)
    try:
        return size_of(model, plain_task(layout.shape, len(layout.classes)))
    except InputError as error:
        return error


def parameters_of(cells: Iterable[PlannedCell], catalog: Catalog, cache: Path) -> dict[str, int | None]:
    """Return each cell's parameter count by its key, None where it is not known before the fit."""
    sizes = sizes_of(cells, catalog, cache)
    return {key: size.parameters if isinstance(size, Size) else None for key, size in sizes.items()}
