"""Nodes -> frozen settings, with pydantic's errors in plain words at the place of the value."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue, ValidationError

from harness.errors import nearest
from harness.matrix.nodes import Fields, Items, Node, Problems, child, plain, shown

_Settings = TypeVar("_Settings", bound=BaseModel)


def check(model: type[_Settings], node: Node, problems: Problems, unknown: str = "unknown key") -> _Settings | None:
    """Return the node as a valid `model`, or None with every error noted where its value stands."""
    return check_value(model, plain(node), node, problems, unknown)


def check_value(
    model: type[_Settings], value: JsonValue, node: Node, problems: Problems, unknown: str = "unknown key"
) -> _Settings | None:
    """As `check`, for a value made from a node; errors stand where the node has the same entries."""
    outcome = _validated(model, json.dumps(value))
    if isinstance(outcome, model):
        return outcome
    assert isinstance(outcome, tuple)
    for error in outcome:
        _note(model, error, node, problems, unknown)
    return None


@lru_cache(maxsize=4096)
def _validated(model: type[BaseModel], text: str) -> BaseModel | tuple[Mapping[str, Any], ...]:
    """Return a valid `model`, or pydantic's errors. No text is taken for a number, no 1 for true."""
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        return tuple(dict(each) for each in error.errors(include_url=False))


def _note(model: type[BaseModel], error: Mapping[str, Any], node: Node, problems: Problems, unknown: str) -> None:
    found, rest = _locate(node, error["loc"])
    if error["type"] == "missing":
        problems.add(found.mark, child(found.path, str(error["loc"][-1])), "is missing")
    elif error["type"] == "extra_forbidden":
        name = str(error["loc"][-1])
        owner, last = _locate(node, error["loc"][:-1])
        text = f"{unknown}{nearest(name, _names(model, error['loc'][:-1]))}"
        assert isinstance(owner, Fields) and not last
        problems.at_key(owner, name, text)
    else:
        problems.add(found.mark, child(found.path, rest) if rest else found.path, _explain(error))


def _locate(node: Node, location: tuple[str | int, ...]) -> tuple[Node, str]:
    """Return the node at pydantic's location, and the entry that is asked of it but not there.

    Names of union members, which no text contains, are passed over.
    """
    for index, step in enumerate(location):
        match node, step:
            case Fields(fields=fields), str() if step in fields:
                node = fields[step]
            case Items(items=items), int() if step < len(items):
                node = items[step]
            case Fields(), str() if index == 0:
                return node, step
    return node, ""


def _names(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[str, ...]:
    for step in location:
        inner = nested(model).get(str(step))
        model = inner if inner is not None else model
    return tuple(model.model_fields)


@cache
def nested(model: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """Return the fields of a model that hold settings of their own, and the model of each."""
    found = {name: _model_in(field.annotation) for name, field in model.model_fields.items()}
    return {name: inner for name, inner in found.items() if inner is not None}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Annotated, Union, types.UnionType}:
        return next((inner for each in get_args(annotation) if (inner := _model_in(each)) is not None), None)
    return None


def _explain(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's error details as a person would say it."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind == "literal_error":
        return _not_one_of(value, context["expected"])
    if kind in _BOUNDS:
        return f"{shown(value)} is not {_BOUNDS[kind](context)}"
    if kind in _WANTED:
        hint = " (put it in quotes)" if kind == "string_type" and isinstance(value, int | float) else ""
        return f"{shown(value)} is not {_WANTED[kind]}{hint}"
    return f"{shown(value)}: {error['msg']}"


def _not_one_of(value: object, expected: str) -> str:
    allowed = [name.strip("'") for name in expected.replace(" or ", ", ").split(", ")]
    guess = nearest(value, allowed) if isinstance(value, str) else ""
    closest = guess if "did you mean" in guess else ""
    return f"{shown(value)} is not one of {', '.join(allowed)}{closest}"


def _number(bound: object) -> str:
    return "number" if isinstance(bound, float) else "whole number"


def _above(context: Mapping[str, Any]) -> str:
    bound = context["gt"]
    return f"a positive {_number(bound)}" if bound == 0 else f"a {_number(bound)} above {bound:g}"


_BOUNDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "greater_than": _above,
    "greater_than_equal": lambda context: f"a {_number(context['ge'])} of at least {context['ge']:g}",
    "less_than": lambda context: f"a {_number(context['lt'])} below {context['lt']:g}",
    "less_than_equal": lambda context: f"a {_number(context['le'])} of at most {context['le']:g}",
    "multiple_of": lambda context: f"a multiple of {context['multiple_of']:g}",
    "too_short": lambda context: f"a list of at least {context['min_length']}",
    "too_long": lambda context: f"a list of at most {context['max_length']}",
    "string_too_short": lambda context: f"text of at least {context['min_length']} characters",
    "string_too_long": lambda context: f"text of at most {context['max_length']} characters",
    "string_pattern_mismatch": lambda context: f"text of the form {context['pattern']}",
}

_WANTED: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of usable size",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "none_required": "null",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
"""pydantic's error type -> what was wanted."""
