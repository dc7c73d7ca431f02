"""Short forms, merging one mapping under another, and setting a path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from harness.spec.nodes import Fields, Items, Node, Scalar, child, name_in
from harness.spec.paths import CELL, Group, Level, Part, Parts, level_of, step

PATH_OPTIONS: Final = frozenset({"path", "train", "test"})
"""Options of a data set that name files; written relative to the file that they stand in."""
_EITHER: Final = {"size": "fraction", "fraction": "size"}
"""Validation is carved by size or by fraction: setting one takes the other back."""


def names_file(path: str) -> bool:
    """Whether the value of a path is the path of a file or folder."""
    return path.startswith("dataset.") and path.removeprefix("dataset.") in PATH_OPTIONS


def long_form(node: Node, path: str = "") -> Node:
    """Return a value of a path with its components as `{name: ..., options}` and its file paths absolute."""
    if names_file(path):
        return _located(node)
    if path == "dataset.validation.groups":
        return _located_groups(node)
    level = CELL if not path else level_of(path)
    return node if level is None else _long(node, level, path)


def _long(node: Node, level: Level, path: str) -> Node:
    match level, node:
        case Part(), Scalar(value=str()):
            return Fields({"name": node}, node.mark, node.path)
        case Part(), Fields():
            return node.with_fields({name: long_form(value, f"{path}.{name}") for name, value in node.fields.items()})
        case Parts(), Items():
            return Items(tuple(_long_item(item) for item in node.items), node.mark, node.path)
        case Group(entries=entries), Fields():
            prefix = f"{path}." if path else ""
            entered = {
                name: long_form(value, prefix + name) if name in entries else value
                for name, value in node.fields.items()
            }
            return node.with_fields(entered)
    return node


def _long_item(node: Node) -> Node:
    """Return `flip` or `{crop: {pad: 4}}` as `{name: crop, pad: 4}`."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Fields({"name": node}, node.mark, node.path)
    if not isinstance(node, Fields) or len(node.fields) != 1 or "name" in node.fields:
        return node
    ((name, options),) = node.fields.items()
    named = Scalar(name, node.key_mark(name), child(node.path, "name"))
    if isinstance(options, Fields):
        return options.with_fields({"name": named, **options.fields}, {"name": named.mark, **options.keys})
    if isinstance(options, Scalar) and options.value is None:
        return node.with_fields({"name": named})
    return node


def _located(node: Node) -> Node:
    """Return a file's path as an absolute one, relative to the file that it was written in."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return node
    folder = Path(node.mark.file).parent if node.mark.line else Path()
    path = Path(os.path.normpath((folder / Path(node.value).expanduser()).absolute()))
    return Scalar(str(path), node.mark, node.path)


def _located_groups(node: Node) -> Node:
    """Return the groups' file where there is one beside the matrix file; else it names a column."""
    found = _located(node)
    is_file = isinstance(found, Scalar) and isinstance(found.value, str) and Path(found.value).is_file()
    return found if is_file else node


def merge(over: Node, under: Node | None) -> Node:
    """Return `over` merged over `under`, key by key.

    A mapping that names another component replaces the one below it whole: the options of one
    component mean nothing to another.
    """
    if not isinstance(over, Fields) or not isinstance(under, Fields) or _renames(over, under):
        return over
    below = dict(under.fields)
    for name, value in over.fields.items():
        kept = below.get(name)
        if name == "validation" and isinstance(kept, Fields) and isinstance(value, Fields):
            kept = _without(kept, {_EITHER[each] for each in value.fields if each in _EITHER})
        below[name] = merge(value, kept)
    return over.with_fields(below, {**under.keys, **over.keys})


def _renames(over: Fields, under: Fields) -> bool:
    name = name_in(over)
    return name is not None and name_in(under) not in {None, name}


def _without(node: Fields, names: Iterable[str]) -> Fields:
    dropped = set(names)
    return node.with_fields({name: value for name, value in node.fields.items() if name not in dropped})


def depth(path: str) -> float:
    """Return a sort key by which a component or whole mapping is set before what is below it."""
    parts = path.split(".")
    return len(parts) - 0.5 if parts[-1] == "name" else len(parts)


def put(tree: Fields, path: str, value: Node) -> Fields:
    """Return the tree with a path set; another component's name drops the former one's options."""
    return _put(tree, path.split("."), value)


def _put(tree: Fields, parts: Sequence[str], value: Node) -> Fields:
    first, rest = parts[0], parts[1:]
    if rest:
        value = _put_below(tree.fields.get(first), rest, value)
    elif first == "name" and isinstance(value, Scalar) and name_in(tree) not in {None, value.value}:
        return Fields({"name": value}, value.mark, value.path)
    kept = _without(tree, {_EITHER[first]} if first in _EITHER and _is_validation(tree) else ())
    return kept.with_fields({**kept.fields, first: value}, {**kept.keys, first: value.mark})


def _is_validation(tree: Fields) -> bool:
    return "name" not in tree.fields


def _put_below(node: Node | None, parts: Sequence[str], value: Node) -> Node:
    if isinstance(node, Items):
        return _put_item(node, parts, value)
    if not isinstance(node, Fields):
        node = Fields({}, value.mark, value.path)
    return _put(node, parts, value)


def _put_item(node: Items, parts: Sequence[str], value: Node) -> Items:
    name = parts[0]
    old = step(node, name)
    named = Scalar(name, value.mark, value.path)
    if len(parts) > 1:
        new: Node = _put_below(old, parts[1:], value)
    elif isinstance(value, Fields):
        new = value.with_fields({"name": named, **value.fields})
    else:
        new = value
    return Items(tuple(new if item is old else item for item in node.items), node.mark, node.path)
