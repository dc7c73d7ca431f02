"""A JSON Schema (draft 2020-12) of matrix files, for editors: completion and early warnings.

It accepts every matrix file that `load_study` accepts. It knows the options of each component; it
does not know which of them a merged experiment ends up with, so what depends on merging is left
to `harness validate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from pydantic.json_schema import GenerateJsonSchema

from harness.contracts import Budget, Claim, FinalFit, Range, ReportSettings
from harness.contracts.metrics import COSTS, FINAL_METRICS, OBJECTIVES, VAL_ACCURACY
from harness.contracts.tuning import Direction
from harness.plugins import Catalog
from harness.spec.document import VERSION
from harness.spec.goals import BETTER, WrittenObjective
from harness.spec.schema_parts import Schema, cell_settings, closed, definitions, paths, settings
from harness.spec.space import not_searched
from harness.spec.tuning import WrittenConfirm, WrittenTune

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
        "claims": {"type": "array", "items": settings(Claim, {"metric": {"enum": list(FINAL_METRICS)}})},
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
