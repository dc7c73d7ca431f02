"""Component choices -> complete, valid options."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from harness.errors import InputError
from harness.plugins import Catalog
from harness.spec.checking import check_value
from harness.spec.nodes import Fields, Node, Problems, Scalar, child, joined, name_in, plain, shown


def declared(kind: str, name: str | None, catalog: Catalog) -> type[BaseModel] | None:
    """Return a component's options as a model, or None when there is no such component."""
    if name is None or name not in catalog.names(kind):
        return None
    return catalog.declare(kind, name)


def is_classical(model: Node | None, catalog: Catalog) -> bool:
    """Whether a `model:` names one that fits itself and so takes no recipe."""
    name = name_in(model)
    known = name is not None and name in catalog.names("model")
    return known and catalog.find("model", str(name)).base == "ClassicalModel"


def completed(kind: str, node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any] | None:
    """Return `{name, every option}` for a component's mapping, or None with its problems noted."""
    component = _named(kind, node, catalog, problems)
    if component is None or not isinstance(node, Fields):
        return None
    name, model = component
    given = node.with_fields({key: value for key, value in node.fields.items() if key != "name"})
    options = check_value(model, plain(given), given, problems, f"unknown option of {name}")
    return None if options is None else {"name": name, **options.model_dump(mode="json")}


def _named(kind: str, node: Node, catalog: Catalog, problems: Problems) -> tuple[str, type[BaseModel]] | None:
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not the name of {_a(kind)}, nor a mapping with one")
        return None
    named = node.fields.get("name")
    if named is None:
        problems.add(node.mark, child(node.path, "name"), "is missing")
        return None
    if not isinstance(named, Scalar) or not isinstance(named.value, str):
        problems.at(named, f"{shown(plain(named))} is not the name of {_a(kind)}")
        return None
    try:
        model = catalog.declare(kind, named.value)
    except InputError as error:
        problems.at(named, str(error))
        return None
    lacking: frozenset[str] = getattr(model, "__abstractmethods__", frozenset())
    if lacking:
        problems.at(named, f'{kind} "{named.value}" lacks the method {joined(sorted(lacking))}')
    return None if lacking else (named.value, model)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
