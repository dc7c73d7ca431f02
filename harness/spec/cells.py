"""A cell as flat parameters and as YAML, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, TypeAlias

from ruamel.yaml import YAML

from harness.contracts import Cell
from harness.spec.nodes import Mark, Problems, plain
from harness.spec.text import parse

Flat: TypeAlias = str | int | float | bool | None


def flatten(cell: Cell) -> dict[str, Flat]:
    """Return a cell's settings by path, in the grammar of axes, searches and `--set`.

    A list of components is given by its names, `recipe.augment` = "crop, flip", and each one's
    options below it, `recipe.augment.crop.pad`; any other list is JSON text.
    """
    return dict(_flat("", cell.model_dump(mode="json")))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Flat]]:
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _flat(f"{path}.{name}" if path else name, entry)
    elif isinstance(value, list):
        yield from _flat_list(path, value)
    elif value is not None or path != "recipe":
        yield path, value


def _flat_list(path: str, items: list[Any]) -> Iterator[tuple[str, Flat]]:
    if not all(isinstance(item, Mapping) and "name" in item for item in items):
        yield path, json.dumps(items)
        return
    yield path, ", ".join(item["name"] for item in items)
    for item in items:
        options = {name: value for name, value in item.items() if name != "name"}
        yield from _flat(f"{path}.{item['name']}", options)


def cell_to_yaml(cell: Cell) -> str:
    """Return a cell as YAML, complete with defaults."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1_000_000
    stream = StringIO()
    yaml.dump(cell.model_dump(mode="json"), stream)
    return stream.getvalue()


def cell_from_yaml(text: str) -> Cell:
    """Return the cell that `cell_to_yaml` wrote.

    Raises:
        MatrixError: the text is not YAML.
        pydantic.ValidationError: it is not a cell.
    """
    problems = Problems()
    node = parse(text, Mark(0, 1, 1, "cell.yaml"), problems)
    problems.raise_any()
    return Cell.model_validate_json(json.dumps(plain(node)), strict=True)
