"""JSON Schemas of a cell's settings, of components, and of every path of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from harness.contracts import Cell, Limit, Recipe, Validation
from harness.plugins import Catalog
from harness.spec.paths import CELL, Group, Level, Part, Parts

Schema: TypeAlias = dict[str, Any]


def closed(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Return the schema of a mapping that has no other entries."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def settings(model: type[BaseModel], replaced: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a settings model, some entries replaced, with nothing left to refer to."""
    schema = model.model_json_schema()
    found: Schema = _written_out(schema, schema.get("$defs", {}))
    found["properties"] = {**found.get("properties", {}), **(replaced or {})}
    return {name: value for name, value in found.items() if name != "$defs"}


def _written_out(value: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema with its references written out and without generated titles."""
    if isinstance(value, list):
        return [_written_out(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _written_out(definitions[value["$ref"].rpartition("/")[2]], definitions)
    kept = {name: each for name, each in value.items() if name != "title" or isinstance(each, dict)}
    return {name: _written_out(each, definitions) for name, each in kept.items()}


def definitions(catalog: Catalog) -> dict[str, Schema]:
    """Return the schemas of a cell's parts, which refer to one another as `#/$defs/NAME`."""
    augment: Schema = {"type": "array", "items": {"$ref": "#/$defs/augmentation"}}
    parts: dict[str, Schema] = {
        "optimizer": {"$ref": "#/$defs/optimizer"},
        "schedule": {"$ref": "#/$defs/schedule"},
        "augment": augment,
    }
    return {
        "dataset": _component("source", _beside(), catalog),
        "model": _component("model", {}, catalog),
        "optimizer": _component("optimizer", {}, catalog),
        "schedule": _component("schedule", {}, catalog),
        "augmentation": _augmentation(catalog),
        "recipe": settings(Recipe, parts),
    }


def cell_settings() -> dict[str, Schema]:
    """Return the schema of each of a cell's settings, the larger ones by reference."""
    cell = Cell.model_json_schema()["properties"]
    ends = {name: {"enum": cell[name]["enum"], "default": cell[name]["default"]} for name in ("train_on", "test")}
    return {name: {"$ref": f"#/$defs/{name}"} for name in ("dataset", "model", "recipe")} | ends


def _options(kind: str, name: str, catalog: Catalog) -> dict[str, Schema]:
    found: dict[str, Schema] = settings(catalog.declare(kind, name))["properties"]
    return found


def _component(kind: str, beside: Mapping[str, Schema], catalog: Catalog) -> Schema:
    """Return the schema of a component: its name, or a mapping whose options go with its name."""
    names = list(catalog.names(kind))
    by_name = [
        {
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": closed({"name": {}, **_options(kind, name, catalog), **beside}),
        }
        for name in names
    ]
    return {"anyOf": [{"enum": names}, {"type": "object", "properties": {"name": {"enum": names}}, "allOf": by_name}]}


def _augmentation(catalog: Catalog) -> Schema:
    """Return the schema of `flip`, `{name: crop, pad: 4}` or `{crop: {pad: 4}}`."""
    schema = _component("augmentation", {}, catalog)
    name, mapping = schema["anyOf"]
    short = {
        each: {"anyOf": [{"type": "null"}, closed(_options("augmentation", each, catalog))]} for each in name["enum"]
    }
    return {
        "anyOf": [name, {**mapping, "required": ["name"]}, {**closed(short), "minProperties": 1, "maxProperties": 1}]
    }


def paths(catalog: Catalog) -> dict[str, Schema]:
    """Return the schema of the value at every path that some cell has."""
    whole = closed({**cell_settings(), "recipe": definitions(catalog)["recipe"]})
    found = dict(_below("", CELL, whole, catalog))
    return found | {"recipe": {"$ref": "#/$defs/recipe"}}


def _below(path: str, level: Level, schema: Schema, catalog: Catalog) -> Iterator[tuple[str, Schema]]:
    if path:
        yield path, schema
    match level:
        case Group(entries=entries):
            for name, inner in entries.items():
                yield from _below(f"{path}.{name}" if path else name, inner, _entry(schema, name), catalog)
        case Part(kind=kind, beside=beside):
            yield f"{path}.name", {"enum": list(catalog.names(kind))}
            yield from _all_options(path, kind, catalog)
            for name, inner in beside.items():
                yield from _below(f"{path}.{name}", inner, _beside()[name], catalog)
        case Parts(kind=kind):
            for name in catalog.names(kind):
                yield f"{path}.{name}", {"type": "object"}
                options = _options(kind, name, catalog)
                yield from ((f"{path}.{name}.{option}", each) for option, each in options.items())


def _beside() -> dict[str, Schema]:
    return {"validation": settings(Validation), "limit": settings(Limit)}


def _entry(schema: Schema, name: str) -> Schema:
    """Return an entry of the schema of a mapping, which may be one of several alternatives."""
    mapping = next(each for each in (schema, *schema.get("anyOf", ())) if "properties" in each)
    found: Schema = mapping["properties"][name]
    return found


def _all_options(path: str, kind: str, catalog: Catalog) -> Iterator[tuple[str, Schema]]:
    """Yield every option that some component of a kind has, with all the values that it takes."""
    merged: dict[str, list[Schema]] = {}
    for component in catalog.names(kind):
        for option, schema in _options(kind, component, catalog).items():
            bare = {name: value for name, value in schema.items() if name not in {"default", "description"}}
            known = merged.setdefault(option, [])
            known += [] if bare in known else [bare]
    for option, schemas in merged.items():
        yield f"{path}.{option}", schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
