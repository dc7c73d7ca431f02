"""`harness show [KIND] [NAME]`: what components there are, one's options, and a model layer by layer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from rich.text import Text

from harness.cli.console import print_json, results, table
from harness.cli.options import Show
from harness.errors import InputError, nearest
from harness.matrix import meanings, summary, types
from harness.plugins import KINDS, Catalog
from harness.words import scaled, whole

if TYPE_CHECKING:
    from harness.train.trace import Trace

EVERY: Final = tuple(dict.fromkeys(KINDS.values()))


def perform(asked: Show) -> int:
    """Print what there is, or a component's docstring and options, of a model its layers too.

    Raises:
        InputError: there is no such component or option, or images of this shape do not fit the model.
    """
    catalog = Catalog(asked.plugins)
    kinds = [each for each in EVERY if asked.names[:1] in ((each,), (f"{each}s",))]
    names = asked.names[1:] if kinds else asked.names
    if len(names) > 1:
        raise InputError(f'there is no kind of component "{asked.names[0]}"{nearest(asked.names[0], EVERY)}')
    if not names:
        _list(kinds or EVERY, catalog, asked.json)
        return 0
    kind = _kind_of(names[0], kinds or EVERY, catalog)
    declared = catalog.declare(kind, names[0])
    if kind == "model":
        _show_model(names[0], declared, asked, catalog)
    elif asked.option:
        raise InputError(f"--set: {names[0]} is of kind {kind}; options are set of a model, to see what it becomes")
    elif asked.json:
        print_json({"kind": kind, "name": names[0], "summary": summary(declared), "options": _as_json(declared)})
    else:
        _print_head(names[0], declared, {})
    return 0


def _kind_of(name: str, kinds: Iterable[str], catalog: Catalog) -> str:
    """Return the kind of the component of that name; raises InputError with the nearest name."""
    by_name: dict[str, list[str]] = {}
    for kind in kinds:
        for each in catalog.names(kind):
            by_name.setdefault(each, []).append(kind)
    found = by_name.get(name, [])
    if len(found) > 1:
        raise InputError(f'"{name}" is of kind {" and ".join(found)}; say which: harness show {found[0]} {name}')
    if not found:
        close = get_close_matches(name, sorted(by_name), n=1)
        catalog.find(by_name[close[0]][0] if close else next(iter(kinds)), name)
    return found[0]


def _list(kinds: Iterable[str], catalog: Catalog, as_json: bool) -> None:
    """Print all components of some kinds, each with what it is."""
    listed = [(kind, name, catalog.declare(kind, name)) for kind in kinds for name in catalog.names(kind)]
    if as_json:
        print_json(
            [
                {"kind": kind, "name": name, "summary": summary(declared), "options": list(declared.model_fields)}
                for kind, name, declared in listed
            ]
        )
        return
    shown = table("kind", "name", "what it is")
    before = ""
    for kind, name, declared in listed:
        if before not in ("", kind):
            shown.add_section()
        shown.add_row("" if kind == before else kind, Text(name), summary(declared))
        before = kind
    results().print(shown)


def _show_model(name: str, declared: type[BaseModel], asked: Show, catalog: Catalog) -> None:
    given = _options(name, declared, asked.option)
    model = _checked(name, declared, catalog, given)
    traced: Trace | None = import_module("harness.cell.sizes").traced(model, asked.image_shape, asked.classes)
    if asked.json:
        layers = {"layers": None, "parameters": None, "flops": None} if traced is None else asdict(traced)
        print_json({"kind": "model", "model": name, "options": model.model_dump(mode="json"), **layers})
        return
    _print_head(name, declared, {option: getattr(model, option) for option in given})
    if traced is None:
        results().print("It has no layers; its size is known once it is fitted.")
    else:
        _print_layers(traced)


def _options(name: str, declared: type[BaseModel], given: tuple[str, ...]) -> dict[str, object]:
    options: dict[str, object] = {}
    for each in given:
        option, equals, value = each.partition("=")
        if not equals:
            raise InputError(f"--set {each}: give OPTION=VALUE")
        option = option.removeprefix("model.")
        if option not in declared.model_fields:
            raise InputError(f'--set {each}: {name} has no option "{option}"{nearest(option, declared.model_fields)}')
        options[option] = _value(value)
    return options


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _checked(name: str, declared: type[BaseModel], catalog: Catalog, options: Mapping[str, object]) -> Any:
    try:
        declared(**options)
    except ValidationError as error:
        problems = [f"{name}.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise InputError("\n".join(problems)) from error
    return catalog.realize("model", name, options)


def _print_head(name: str, declared: type[BaseModel], given: Mapping[str, object]) -> None:
    """Print a component's docstring and its options; those that were given in place of their default."""
    text, _, _ = (inspect.getdoc(declared) or "").partition("\nAttributes:\n")
    out = results()
    out.print(Text(name, style="bold"))
    out.print(Text(_flowing(text)))
    told, allowed = meanings(declared), types(declared)
    shown = table("option", "values", "value" if given else "default", "meaning")
    shown.columns[0].no_wrap = True
    for option, field in declared.model_fields.items():
        value = given.get(option, None if field.is_required() else field.default)
        shown_value = "required" if field.is_required() and option not in given else _plain(value)
        style = "bold cyan" if option in given else ""
        shown.add_row(option, Text(allowed[option]), Text(shown_value, style=style), Text(told.get(option, "")))
    if shown.row_count:
        out.print("", shown)
    out.print()


def _flowing(text: str) -> str:
    """Return a text with its paragraphs on one line each, to be wrapped by the terminal."""
    return "\n".join(paragraph.replace("\n", " ") for paragraph in text.strip().split("\n\n"))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _print_layers(traced: Trace) -> None:
    shown = table("layer", "kind", "output CxHxW", "parameters", "FLOPs", right=("output CxHxW", "parameters", "FLOPs"))
    for layer in traced.layers:
        figures = whole(layer.parameters) if layer.parameters else "", scaled(layer.flops) if layer.flops else ""
        shown.add_row(layer.name, layer.kind, "x".join(map(str, layer.output_shape)), *figures)
    shown.add_section()
    shown.add_row("total", "", "", whole(traced.parameters), scaled(traced.flops), style="bold")
    results().print(shown)


def _as_json(declared: type[BaseModel]) -> dict[str, object]:
    told, allowed = meanings(declared), types(declared)
    return {
        name: {
            "values": allowed[name],
            "default": None if field.is_required() else json.loads(json.dumps(field.default, default=str)),
            "meaning": told.get(name, ""),
        }
        for name, field in declared.model_fields.items()
    }
