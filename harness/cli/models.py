"""`harness models`: what models there are, from their files alone, without torch."""

from __future__ import annotations

import fnmatch
import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from importlib import import_module

from rich.text import Text

from harness.architectures import Library, architectures
from harness.cli.console import print_json, results, table
from harness.cli.options import Models
from harness.errors import InputError
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
    """List the models.

    Raises:
        InputError: no network of the library is called so, or the library is not installed.
    """
    libraries: dict[Library, str | None] = {"timm": asked.timm, "torchvision": asked.torchvision}
    named = {library: pattern for library, pattern in libraries.items() if pattern is not None}
    if named:
        _list_architectures(named, asked.json)
        return 0
    catalog = Catalog(asked.plugins)
    lines = tuple(_line(catalog, name) for name in catalog.names("model"))
    counted = (
        import_module("harness.cell.sizes").parameters_of(catalog, asked.image_shape, asked.classes)
        if asked.parameters
        else None
    )
    _show(lines, asked.json, counted)
    return 0


def _list_architectures(named: Mapping[Library, str], as_json: bool) -> None:
    """Print the networks of libraries whose names match a pattern, one a line, as `arch:` takes them."""
    found = {library: _matching(library, pattern) for library, pattern in named.items()}
    if as_json:
        print_json(found)
        return
    for names in found.values():
        for name in names:
            results().print(Text(name))


def _matching(library: Library, pattern: str) -> list[str]:
    try:
        names = architectures(library)
    except ValueError as error:
        raise InputError(str(error)) from error
    found = fnmatch.filter(names, pattern)
    if not found:
        close = get_close_matches(pattern, names, n=3)
        guess = f"; did you mean {' or '.join(close)}?" if close else ""
        raise InputError(f'--{library} "{pattern}" matches none of {len(names):,} networks{guess}')
    return found


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
