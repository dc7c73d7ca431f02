"""`harness show MODEL`: its options, and layer by layer what it is made of."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ValidationError
from rich.text import Text
from torch.nn import Module

from harness.cli.console import print_json, results, table
from harness.cli.options import Show
from harness.cli.sizes import network_of, plain_task
from harness.contracts import Layer
from harness.errors import InputError, nearest
from harness.plugins import Catalog
from harness.train.trace import flops, parameter_count, trace
from harness.words import scaled, whole

_ATTRIBUTE = re.compile(r"^    (\w+): (.+)$")


def perform(asked: Show) -> int:
    """Print the model's docstring, options and layers.

    Raises:
        InputError: there is no such model or option, or images of this shape do not fit it.
    """
    catalog = Catalog(asked.plugins)
    declared = catalog.declare("model", asked.model)
    model = _checked(asked.model, declared, catalog, _options(asked.model, declared, asked.option))
    shape = asked.image_shape
    network = network_of(model, plain_task(shape, asked.classes))
    if asked.json:
        print_json({"model": asked.model, "options": model.model_dump(mode="json"), **_as_json(network, shape)})
        return 0
    _print_head(asked, declared, model)
    if network is None:
        results().print("It has no layers; its size is known once it is fitted.")
    else:
        _print_layers(network, shape)
    return 0


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


def _print_head(asked: Show, declared: type[BaseModel], model: BaseModel) -> None:
    text, _, rest = (inspect.getdoc(declared) or "").partition("\nAttributes:\n")
    out = results()
    out.print(Text(asked.model, style="bold"))
    out.print(Text(_flowing(text)))
    meanings = _meanings(rest)
    shown = table("option", "value", "default", "meaning")
    for name, field in declared.model_fields.items():
        value = getattr(model, name)
        style = "" if value == field.default else "bold cyan"
        shown.add_row(name, Text(_plain(value), style=style), _plain(field.default), meanings.get(name, ""))
    if shown.row_count:
        out.print("", shown)
    out.print()


def _flowing(text: str) -> str:
    """Return a text with its paragraphs on one line each, to be wrapped by the terminal."""
    return "\n".join(paragraph.replace("\n", " ") for paragraph in text.strip().split("\n\n"))


def _meanings(attributes: str) -> dict[str, str]:
    """Return what a docstring's section Attributes says of each, on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in attributes.splitlines():
        begins = _ATTRIBUTE.match(line)
        if begins:
            name = begins[1]
            found[name] = begins[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _print_layers(network: Module, shape: tuple[int, int, int]) -> None:
    shown = table("layer", "kind", "output CxHxW", "parameters", "FLOPs", right=("output CxHxW", "parameters", "FLOPs"))
    for layer in trace(network, shape):
        output = "x".join(map(str, layer.output_shape))
        shown.add_row(layer.name, layer.kind, output, *_figures(layer))
    shown.add_section()
    total = whole(parameter_count(network)), scaled(flops(network, shape))
    shown.add_row("total", "", "", *total, style="bold")
    results().print(shown)


def _figures(layer: Layer) -> tuple[str, str]:
    """Return parameters and FLOPs, empty where there are none: most layers of a network have neither."""
    return whole(layer.parameters) if layer.parameters else "", scaled(layer.flops) if layer.flops else ""


def _as_json(network: Module | None, shape: tuple[int, int, int]) -> dict[str, object]:
    if network is None:
        return {"layers": None, "parameters": None, "flops": None}
    layers = [asdict(layer) for layer in trace(network, shape)]
    return {"layers": layers, "parameters": parameter_count(network), "flops": flops(network, shape)}
