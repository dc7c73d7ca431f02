"""A JSON Schema (draft 2020-12) of matrix files, for editors: completion, hints and early warnings.

It accepts every matrix file that `load_study` accepts. It knows the options of each component; it
does not know which of them a merged experiment ends up with, so what depends on merging is left
to `harness validate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from harness.contracts import (
    Budget,
    Cell,
    Choice,
    Choices,
    Claim,
    Dataset,
    FinalFit,
    Range,
    Recipe,
    ReportSettings,
)
from harness.contracts.metrics import CLAIMABLE, COSTS, METRICS, OBJECTIVES, VAL_ACCURACY
from harness.contracts.tuning import Direction
from harness.matrix.ablations import WrittenAblation
from harness.matrix.document import LONGEST_NAME, STUDY_NAME, VERSION, WrittenStudy
from harness.matrix.experiments import WrittenExperiment
from harness.matrix.meanings import meanings, summary
from harness.matrix.paths import CELL, Group, Level, Part, Parts
from harness.matrix.space import not_searched
from harness.matrix.tune import BETTER, WrittenConfirm, WrittenObjective, WrittenTune
from harness.plugins import Catalog

Schema: TypeAlias = dict[str, Any]
_ABOUT: Final = (
    "Editors that speak YAML (yaml-language-server, VS Code's YAML extension) take it from a matrix file's first line: "
    "`# yaml-language-server: $schema=matrix.schema.json`, where `harness schema > matrix.schema.json` has written it."
)
_VALUES: Final[Schema] = {"$ref": "#/$defs/values"}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_NAMED: Final[Schema] = {"type": "object", "propertyNames": _NAME}
_SEEDS: Final[Schema] = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
    ],
}


def json_schema(catalog: Catalog) -> Schema:
    """Return the schema of matrix files that use the components of a catalog."""
    by_path = _paths(catalog)
    shared = {
        "values": _closed(by_path),
        "axes": _axes(by_path),
        "range": _settings(Range, {"when": _VALUES}),
        "space": _space(by_path),
    }
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "harness matrix file",
        "description": _ABOUT,
        **_closed(_sections()),
        "$defs": _definitions(catalog) | shared,
    }


def _closed(properties: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    """Return the schema of a mapping that has no other entries."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _told(model: type[BaseModel], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas of a model's fields with what each means."""
    texts = meanings(model)
    return {
        name: {**schema, "description": texts[name]} if name in texts else schema for name, schema in schemas.items()
    }


def _settings(model: type[BaseModel], replaced: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of a settings model, some entries replaced, with nothing left to refer to."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    fields = schema.get("properties", {})
    defaults = {name: {"default": each["default"]} for name, each in fields.items() if "default" in each}
    fields |= {name: {**defaults.get(name, {}), **each} for name, each in (replaced or {}).items()}
    schema["properties"] = _told(model, fields)
    for each in _models_below(model):
        inner = definitions[each.__name__]
        inner["properties"] = _told(each, inner.get("properties", {}))
    found: Schema = _written_out(schema, definitions)
    return found


def _models_below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models that a model's fields hold, at any depth."""
    waiting: list[Any] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each
            yield from _models_below(each)
        waiting += get_args(each)


def _written_out(value: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema with its references to `definitions` written out and without generated titles."""
    if isinstance(value, list):
        return [_written_out(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).rpartition("/")[2]
    if name in definitions:
        beside = {key: each for key, each in value.items() if key != "$ref"}
        return _written_out({**definitions[name], **beside}, definitions)
    kept = {key: each for key, each in value.items() if key != "title" or isinstance(each, dict)}
    return {key: _written_out(each, definitions) for key, each in kept.items()}


def _definitions(catalog: Catalog) -> dict[str, Schema]:
    """Return the schemas of a cell's parts, which refer to one another as `#/$defs/NAME`."""
    parts: dict[str, Schema] = {
        "optimizer": {"$ref": "#/$defs/optimizer"},
        "schedule": {"$ref": "#/$defs/schedule"},
        "augment": {"type": "array", "items": {"$ref": "#/$defs/augmentation"}},
    }
    return {
        "dataset": _component("source", _beside(), catalog),
        "model": _component("model", {}, catalog),
        "optimizer": _component("optimizer", {}, catalog),
        "schedule": _component("schedule", {}, catalog),
        "augmentation": _augmentation(catalog),
        "recipe": _settings(Recipe, parts),
    }


def _cell_settings() -> dict[str, Schema]:
    """Return the schema of each of a cell's settings, the larger ones by reference."""
    cell = Cell.model_json_schema()["properties"]
    ends = {name: {"enum": cell[name]["enum"], "default": cell[name]["default"]} for name in ("train_on", "test")}
    return _told(Cell, {name: {"$ref": f"#/$defs/{name}"} for name in ("dataset", "model", "recipe")} | ends)


def _beside() -> dict[str, Schema]:
    return {name: _settings(Dataset)["properties"][name] for name in ("validation", "limit", "groups")}


def _options(kind: str, name: str, catalog: Catalog) -> dict[str, Schema]:
    found: dict[str, Schema] = _settings(catalog.declare(kind, name)).get("properties", {})
    return {**found, "test": _or_several(found["test"])} if kind == "source" and "test" in found else found


def _or_several(path: Schema) -> Schema:
    """Return the schema of a test set's path, or of several by their names."""
    several = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
    beside: Schema = {name: path[name] for name in ("default", "description") if name in path}
    members = path.get("anyOf") or [{name: value for name, value in path.items() if name not in beside}]
    return {"anyOf": [*members, several], **beside}


def _component(kind: str, beside: Mapping[str, Schema], catalog: Catalog) -> Schema:
    """Return the schema of a component: its name, or a mapping whose options go with its name."""
    names = list(catalog.names(kind))
    by_name = [
        {
            "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
            "then": _closed({"name": _about(kind, name, catalog), **_options(kind, name, catalog), **beside}),
        }
        for name in names
    ]
    mapping = {"type": "object", "properties": _told(Choice, {"name": {"enum": names}}), "allOf": by_name}
    return {"anyOf": [{"enum": names}, mapping]}


def _about(kind: str, name: str, catalog: Catalog) -> Schema:
    return {"description": summary(catalog.declare(kind, name))}


def _augmentation(catalog: Catalog) -> Schema:
    """Return the schema of `flip`, `{name: crop, pad: 4}` or `{crop: {pad: 4}}`."""
    schema = _component("augmentation", {}, catalog)
    name, mapping = schema["anyOf"]
    short = {
        each: {
            **_about("augmentation", each, catalog),
            "anyOf": [{"type": "null"}, _closed(_options("augmentation", each, catalog))],
        }
        for each in name["enum"]
    }
    return {
        "anyOf": [name, {**mapping, "required": ["name"]}, {**_closed(short), "minProperties": 1, "maxProperties": 1}]
    }


def _paths(catalog: Catalog) -> dict[str, Schema]:
    """Return the schema of the value at every path that some cell has."""
    whole = _closed({**_cell_settings(), "recipe": _definitions(catalog)["recipe"]})
    found = dict(_below("", CELL, whole, catalog))
    return found | {"recipe": _cell_settings()["recipe"]}


def _below(path: str, level: Level, schema: Schema, catalog: Catalog) -> Iterator[tuple[str, Schema]]:
    if path:
        yield path, schema
    match level:
        case Group(entries=entries):
            for name, inner in entries.items():
                yield from _below(f"{path}.{name}" if path else name, inner, _entry(schema, name), catalog)
        case Part(kind=kind, beside=beside):
            yield f"{path}.name", _told(Choice, {"name": {"enum": list(catalog.names(kind))}})["name"]
            yield from _all_options(path, kind, catalog)
            for name, inner in beside.items():
                yield from _below(f"{path}.{name}", inner, _beside()[name], catalog)
        case Parts(kind=kind):
            for name in catalog.names(kind):
                yield f"{path}.{name}", {**_about(kind, name, catalog), "type": "object"}
                options = _options(kind, name, catalog)
                yield from ((f"{path}.{name}.{option}", each) for option, each in options.items())


def _entry(schema: Schema, name: str) -> Schema:
    """Return an entry of the schema of a mapping, which may be one of several alternatives."""
    mapping = next(each for each in (schema, *schema.get("anyOf", ())) if "properties" in each)
    found: Schema = mapping["properties"][name]
    return found


def _all_options(path: str, kind: str, catalog: Catalog) -> Iterator[tuple[str, Schema]]:
    """Yield every option that some component of a kind has, with all the values that it takes."""
    merged: dict[str, list[Schema]] = {}
    owners: dict[str, dict[str, list[str]]] = {}
    for component in catalog.names(kind):
        for option, schema in _with_inner(_options(kind, component, catalog)):
            bare = {name: value for name, value in schema.items() if name not in {"default", "description"}}
            known = merged.setdefault(option, [])
            known += [] if bare in known else [bare]
            owners.setdefault(option, {}).setdefault(schema.get("description", ""), []).append(component)
    for option, schemas in merged.items():
        texts = [f"{', '.join(names)}: {text}" for text, names in owners[option].items() if text]
        several = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        yield f"{path}.{option}", {"description": " ".join(texts), **several}


def _with_inner(options: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """Yield options by their paths, each followed by the options that it is made of."""
    for name, schema in options.items():
        yield name, schema
        yield from ((f"{name}.{below}", each) for below, each in _with_inner(schema.get("properties", {})))


def _sections() -> dict[str, Schema]:
    """Return the schema of each section; none is required, since `extends` may bring it."""
    defaults = {**_cell_settings(), **_told(WrittenStudy, {"seeds": _SEEDS})}
    experiment = {"anyOf": [{"type": "null"}, _experiment()]}
    claim = _settings(Claim, {"metric": {"enum": list(CLAIMABLE)}})
    return _told(
        WrittenStudy,
        {
            "version": {"const": VERSION},
            "study": {"type": "string", "maxLength": LONGEST_NAME, "pattern": f"^{STUDY_NAME}$"},
            "extends": {"type": "string"},
            "dataset": {"$ref": "#/$defs/dataset"},
            "seeds": {**_SEEDS, "default": list(WrittenStudy.model_fields["seeds"].default)},
            "defaults": _closed(defaults),
            "experiments": {**_NAMED, "additionalProperties": experiment, "minProperties": 1},
            "ablations": {**_NAMED, "additionalProperties": _ablation()},
            "tune": {"type": "object", "additionalProperties": _tune()},
            "claims": {"type": "array", "items": claim},
            "budget": _settings(Budget),
            "report": _settings(ReportSettings),
        },
    )


def _experiment() -> Schema:
    name = {**_NAME, "description": "The variant's name, in place of what tells it from its siblings."}
    own: dict[str, Schema] = {
        "seeds": _SEEDS,
        "matrix": {"$ref": "#/$defs/axes"},
        "exclude": {"type": "array", "items": _VALUES},
        "add": {"type": "array", "items": {"type": "object", "properties": {"name": name}, "required": ["name"]}},
    }
    return _closed(_cell_settings() | _told(WrittenExperiment, own))


def _axes(by_path: Mapping[str, Schema]) -> Schema:
    lists = {
        path: {"description": each.get("description", ""), "type": "array", "items": _value(path), "minItems": 1}
        for path, each in by_path.items()
    }
    coupled = {
        "description": "Paths that vary together: a list of rows, each with a value for every path.",
        "type": "array",
        "items": {"type": "array", "minItems": 2},
        "minItems": 1,
    }
    return {**_closed(lists), "patternProperties": {",": coupled}, "minProperties": 1}


def _value(path: str) -> Schema:
    return {"$ref": f"#/$defs/values/properties/{path}"}


def _ablation() -> Schema:
    switch = {**_NAMED, "additionalProperties": {**_VALUES, "minProperties": 1}, "minProperties": 1}
    return _settings(WrittenAblation, {"switch": switch})


def _tune() -> Schema:
    timeout = {
        "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^(\d+(\.\d+)?[smhd])+$"}]
    }
    limits = {cost: {"description": _metric(cost), "type": "number", "exclusiveMinimum": 0} for cost in COSTS}
    parts: dict[str, Schema] = {
        "space": {"$ref": "#/$defs/space"},
        "timeout": _nullable(timeout),
        "objective": _nullable(_settings(WrittenObjective, _goals())),
        "constraints": _nullable(_closed(limits)),
        "confirm": _nullable(_settings(WrittenConfirm)),
        "final": _nullable(_settings(FinalFit)),
    }
    return _settings(WrittenTune, parts)


def _metric(key: str) -> str:
    metric = METRICS[key]
    return f"{metric.words}, {metric.hint}" if metric.hint else metric.words


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
    dimensions = {
        path: {"description": each.get("description", ""), "anyOf": [{"$ref": "#/$defs/range"}, _choices(path)]}
        for path, each in by_path.items()
        if not_searched(path) is None
    }
    return {**_closed(dimensions), "minProperties": 1}


def _choices(path: str) -> Schema:
    choices = {"type": "array", "items": _value(path), "minItems": 2, "uniqueItems": True}
    return _closed(_told(Choices, {"choices": choices, "when": _VALUES}), ("choices",))
