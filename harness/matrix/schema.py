"""A JSON Schema (draft 2020-12) of matrix files, for editors: completion and early warnings.

It accepts every matrix file that `load_study` accepts. It knows the options of each component; it
does not know which of them a merged experiment ends up with, so what depends on merging is left
to `harness validate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from harness.contracts import Budget, Cell, Claim, FinalFit, Limit, Range, Recipe, ReportSettings, Validation
from harness.contracts.metrics import CLAIMABLE, COSTS, OBJECTIVES, VAL_ACCURACY
from harness.contracts.tuning import Direction
from harness.matrix.document import VERSION
from harness.matrix.paths import CELL, Group, Level, Part, Parts
from harness.matrix.space import not_searched
from harness.matrix.tune import BETTER, WrittenConfirm, WrittenObjective, WrittenTune
from harness.plugins import Catalog

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


_SEEDS: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
    ]
}
_VALUES: Final[Schema] = {"$ref": "#/$defs/values"}


def json_schema(catalog: Catalog) -> Schema:
    """Return the schema of matrix files that use the components of a catalog."""
    by_path = paths(catalog)
    shared = {"values": closed(by_path), "axes": _axes(by_path), "space": _space(by_path)}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "harness matrix file",
        **closed(_sections()),
        "$defs": definitions(catalog) | shared,
    }


def _sections() -> dict[str, Schema]:
    """Return the schema of each section; none is required, since `extends` may bring it."""
    defaults = {**cell_settings(), "seeds": _SEEDS}
    experiment = {"anyOf": [{"type": "null"}, _experiment(defaults)]}
    return {
        "version": {"const": VERSION},
        "study": {"type": "string", "minLength": 1},
        "extends": {"type": "string", "description": "A file that is merged under this one, relative to it."},
        "dataset": {"$ref": "#/$defs/dataset"},
        "seeds": _SEEDS,
        "defaults": {**closed(defaults), "description": "Merged under every experiment, key by key."},
        "experiments": {"type": "object", "additionalProperties": experiment, "minProperties": 1},
        "ablations": {"type": "object", "additionalProperties": _ablation()},
        "tune": {"type": "object", "additionalProperties": _tune()},
        "claims": {"type": "array", "items": settings(Claim, {"metric": {"enum": list(CLAIMABLE)}})},
        "budget": settings(Budget),
        "report": settings(ReportSettings),
    }


def _experiment(defaults: Mapping[str, Schema]) -> Schema:
    addition = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return closed(
        {
            **defaults,
            "matrix": {"$ref": "#/$defs/axes"},
            "exclude": {"type": "array", "items": _VALUES},
            "add": {"type": "array", "items": addition, "description": "Whole cells more: {name: ..., path: value}."},
        }
    )


def _axes(by_path: Mapping[str, Schema]) -> Schema:
    lists = {path: {"type": "array", "items": value, "minItems": 1} for path, value in by_path.items()}
    coupled = {"type": "array", "items": {"type": "array", "minItems": 2}, "minItems": 1}
    return {**closed(lists), "patternProperties": {",": coupled}, "minProperties": 1}


def _ablation() -> Schema:
    switch = {"type": "object", "additionalProperties": {**_VALUES, "minProperties": 1}, "minProperties": 1}
    order = {"enum": ["leave_one_out", "cumulative"], "default": "leave_one_out"}
    return closed({"base": {"type": "string"}, "switch": switch, "order": order}, ("base", "switch"))


def _tune() -> Schema:
    timeout = {
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^(\d+(\.\d+)?[smhd])+$"}]
    }
    limits = closed({cost: {"type": "number", "exclusiveMinimum": 0} for cost in COSTS})
    parts: dict[str, Schema] = {
        "space": {"$ref": "#/$defs/space"},
        "timeout": _nullable(timeout),
        "objective": _nullable(settings(WrittenObjective, _goals())),
        "constraints": _nullable({**limits, "description": "The most that a winner may have of each cost."}),
        "confirm": _nullable(settings(WrittenConfirm)),
        "final": _nullable(settings(FinalFit)),
    }
    return settings(WrittenTune, parts)


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _goals() -> dict[str, Schema]:
    """Return the schemas of `metric` and `direction`: one, or a list whose first metric is of validation."""
    first, further = {"enum": list(OBJECTIVES)}, {"enum": list(BETTER)}
    metrics = {"type": "array", "prefixItems": [first], "items": further, "minItems": 1, "uniqueItems": True}
    direction = {"enum": list(get_args(Direction))}
    return {
        "metric": {"anyOf": [first, metrics, {"type": "null"}], "default": VAL_ACCURACY},
        "direction": {"anyOf": [direction, {"type": "array", "items": direction}, {"type": "null"}]},
    }


def _space(by_path: Mapping[str, Schema]) -> Schema:
    span = settings(Range, {"when": _VALUES})
    dimensions = {
        path: {"anyOf": [span, closed({"choices": _choices(value), "when": _VALUES}, ("choices",))]}
        for path, value in by_path.items()
        if not_searched(path) is None
    }
    return {**closed(dimensions), "minProperties": 1}


def _choices(value: Schema) -> Schema:
    return {"type": "array", "items": value, "minItems": 2, "uniqueItems": True}
