"""`harness models`: what models there are, from their files alone, without torch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module

from harness.cli.console import print_json, results, table
from harness.cli.options import Models
from harness.plugins import Catalog
from harness.words import whole

_KINDS = {"ClassicalModel": "classical", "NetworkModel": "network"}


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model as it is listed; `kind` is classical or network."""

    name: str
    kind: str
    summary: str
    options: tuple[str, ...]


def perform(asked: Models) -> int:
    """List the models."""
    catalog = Catalog(asked.plugins)
    lines = tuple(_line(catalog, name) for name in catalog.names("model"))
    counted = (
        import_module("harness.cell.sizes").parameters_of(catalog, asked.image_shape, asked.classes)
        if asked.parameters
        else None
    )
    _show(lines, asked.json, counted)
    return 0


def _show(lines: tuple[ModelLine, ...], as_json: bool, parameters: Mapping[str, int | None] | None) -> None:
    """Print the lines as a table or as JSON, with a column of parameter counts where they are given."""
    if as_json:
        counted = {} if parameters is None else parameters
        print_json([asdict(line) | ({"parameters": counted[line.name]} if counted else {}) for line in lines])
        return
    columns = ("model", "kind", "parameters", "what it is")
    shown = table(*(each for each in columns if parameters is not None or each != "parameters"), right=("parameters",))
    for line in lines:
        number = () if parameters is None else (whole(parameters[line.name]),)
        shown.add_row(line.name, line.kind, *number, line.summary)
    results().print(shown)


def _line(catalog: Catalog, name: str) -> ModelLine:
    declared = catalog.declare("model", name)
    summary = (inspect.getdoc(declared) or "").partition("\n")[0]
    kind = _KINDS[catalog.find("model", name).base]
    return ModelLine(name, kind, summary, tuple(declared.model_fields))
