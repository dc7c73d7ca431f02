"""What settings mean, from the docstrings and types of the models that parse them: for people, wherever they look.

The JSON Schema, `harness show` and `docs/reference.md` have their words from here.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel

_ATTRIBUTE: Final = re.compile(r"    (\w+): (.+)")
_WORDS: Final = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "null": "null",
    "object": "mapping",
}
"""Type in a schema -> what people call it."""
_BOUNDS: Final = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring on one line."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0].split())


def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what the fields of a settings model mean, each on one line.

    It is what the docstring lists under `Attributes:`, or the text below a field; those of base classes count, too.
    """
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, BaseModel) and each is not BaseModel:
            found |= dict(_listed(each)) | _below_fields(each)
    given = {name: field.description for name, field in model.model_fields.items() if field.description}
    return {name: found[name] for name in model.model_fields if name in found} | given


def _listed(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each entry of the section `Attributes:`; an entry may go on over several lines."""
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("\nAttributes:\n")
    name, text = "", ""
    for line in section.splitlines():
        entry = _ATTRIBUTE.fullmatch(line)
        if line and not line.startswith(" "):
            break
        if entry is not None:
            if name:
                yield name, text
            name, text = entry.groups()
        else:
            text = f"{text} {line.strip()}".rstrip()
    if name:
        yield name, text


@cache
def _below_fields(model: type[BaseModel]) -> dict[str, str]:
    """Return name and text of each field with a string on the next line."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except (OSError, TypeError):  # made where there is no file
        return {}
    found = {}
    for field, below in pairwise(node for body in tree.body if isinstance(body, ast.ClassDef) for node in body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def types(model: type[BaseModel]) -> Mapping[str, str]:
    """Return which values the fields of a settings model take, in words: `number > 0`, `"zeros" or "reflect"`."""
    schema = model.model_json_schema()
    return {name: type_words(each) for name, each in schema.get("properties", {}).items()}


def type_words(schema: Mapping[str, Any], named: Mapping[str, str] | None = None) -> str:
    """Return which values a schema allows, in words; `named` has those of what it refers to, by reference.

    >>> type_words({"type": "number", "minimum": 0, "exclusiveMaximum": 1}), type_words({"enum": ["a", 1, 2]})
    ('number >= 0, < 1', '"a", 1 or 2')
    """
    if "$ref" in schema:
        return (named or {}).get(schema["$ref"], "mapping")
    if "anyOf" in schema:
        return _either([type_words(each, named) for each in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return _either([json.dumps(value) for value in schema.get("enum", [schema.get("const")])])
    if "items" in schema:
        return f"list of {type_words(schema['items'], named)}"
    if "prefixItems" in schema:
        return f"[{', '.join(type_words(each, named) for each in schema['prefixItems'])}]"
    word = "path" if schema.get("format") == "path" else _WORDS.get(schema.get("type", ""), "value")
    bounds = [f"{sign} {schema[bound]:g}" for bound, sign in _BOUNDS.items() if bound in schema]
    return f"{word} {', '.join(bounds)}".rstrip()


def _either(words: list[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last
