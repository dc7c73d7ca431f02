"""The path grammar: dotted paths of a cell, such as `recipe.augment.crop.pad`, in every place that names a setting.

Three things are done by path. `wrong_path` says whether a cell has one, which depends on its components: their options
are its entries. `long_form` gives the value at a path the one shape that everything else works on. `put` and `merge`
set one value, or lay one tree over another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import BaseModel

from harness.contracts import Limit, Recipe, Validation
from harness.errors import nearest
from harness.matrix.cell import FILE_OPTIONS, PATH_OPTIONS, declared, is_classical
from harness.matrix.checking import nested
from harness.matrix.nodes import Fields, Items, Node, Scalar, child, name_in
from harness.plugins import Catalog

_NO_FILES: Final = {"none", "pretrained"}
"""Values of options for files that name none."""
_EITHER: Final[Mapping[str, frozenset[str]]] = {
    "size": frozenset({"fraction", "split"}),
    "fraction": frozenset({"size", "split"}),
    "groups": frozenset({"split"}),
    "split": frozenset({"size", "fraction", "groups"}),
}
"""Validation is carved by size or by fraction, or is a split of its own: setting one takes the others back."""
NEAR_FILES: Final = frozenset({"dataset.validation.groups", "dataset.groups", "dataset.labels"})
"""Settings that name a file beside the matrix file, or else a column, or a file that lies with the images."""


@dataclass(frozen=True)
class Leaf:
    """A value with nothing below it."""


@dataclass(frozen=True)
class Group:
    """Settings with fixed names."""

    entries: Mapping[str, Level]


@dataclass(frozen=True)
class Part:
    """A component: its name, its options, and settings that go beside them."""

    kind: str
    beside: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True)
class Parts:
    """A list of components, each reached by its name."""

    kind: str


Level: TypeAlias = Leaf | Group | Part | Parts


def _group(model: type[BaseModel], parts: Mapping[str, Level]) -> Group:
    inner = {name: _group(each, {}) for name, each in nested(model).items()}
    return Group({name: parts.get(name) or inner.get(name) or Leaf() for name in model.model_fields})


_COMPONENTS: Final[Mapping[str, Level]] = {
    "optimizer": Part("optimizer"),
    "schedule": Part("schedule"),
    "augment": Parts("augmentation"),
}
CELL: Final = Group(
    {
        "dataset": Part("source", {"validation": _group(Validation, {}), "limit": _group(Limit, {}), "groups": Leaf()}),
        "model": Part("model"),
        "recipe": _group(Recipe, _COMPONENTS),
        "train_on": Leaf(),
        "test": Leaf(),
    }
)
"""What a cell is made of; seeds are no path, they are listed in `seeds:`."""


def wrong_path(tree: Fields, path: str, catalog: Catalog) -> str | None:
    """Return what is wrong with a path of the cell that `tree` describes, or None."""
    parts = path.split(".")
    if parts[0] in {"seed", "seeds"}:
        return 'seeds are listed in "seeds:", they are no path'
    if parts[0] == "recipe" and is_classical(tree.fields.get("model"), catalog):
        return f'model "{name_in(tree.fields.get("model"))}" takes no recipe'
    return _walk(tree, parts, catalog)


def _walk(tree: Fields, parts: Sequence[str], catalog: Catalog) -> str | None:
    node: Node | None = tree
    level: Level = CELL
    for index, part in enumerate(parts):
        entries = _entries(level, node, catalog)
        if entries is None:
            return None
        if part not in entries:
            return _no_such(parts, index, entries)
        node, level = _step(node, part), entries[part]
    return None


def _no_such(parts: Sequence[str], index: int, entries: Mapping[str, Level]) -> str:
    above = ".".join(parts[:index])
    if not entries:
        return f'there is nothing below "{above}"'
    prefix = f"{above}." if above else ""
    guess = nearest(parts[index], entries).replace('did you mean "', f'did you mean "{prefix}')
    return f'there is no path "{prefix}{parts[index]}"{guess}'


def _entries(level: Level, node: Node | None, catalog: Catalog) -> Mapping[str, Level] | None:
    """Return what is below a node, or None where only a valid component name could tell."""
    match level:
        case Leaf():
            return {}
        case Group(entries=entries):
            return entries
        case Parts(kind=kind):
            items = node.items if isinstance(node, Items) else ()
            return {name: Part(kind) for item in items if (name := name_in(item)) is not None}
    model = declared(level.kind, name_in(node), catalog)
    if model is None:
        return None
    return {**_options(model), **level.beside} if level.beside else _options(model)


@cache
def _options(model: type[BaseModel]) -> Mapping[str, Level]:
    return {"name": Leaf(), **_group(model, {}).entries}


def _step(node: Node | None, part: str) -> Node | None:
    """Return the entry of a mapping, or the component of that name in a list."""
    match node:
        case Fields(fields=fields):
            return fields.get(part)
        case Items(items=items):
            return next((item for item in items if name_in(item) == part), None)
    return None


def names_file(path: str) -> bool:
    """Whether the value of a path may be the path of a file or folder."""
    above, _, option = path.rpartition(".")
    return option in {"dataset": PATH_OPTIONS, "model": FILE_OPTIONS, "model.backbone": FILE_OPTIONS}.get(above, ())


def long_form(node: Node, path: str = "") -> Node:
    """Return a value of a path with its components as `{name: ..., options}` and its file paths absolute."""
    if names_file(path):
        return _located(node)
    if path in NEAR_FILES:
        return _located_groups(node)
    level = CELL if not path else _level_of(path)
    if level is None and isinstance(node, Fields):
        return node.with_fields({name: long_form(value, f"{path}.{name}") for name, value in node.fields.items()})
    return node if level is None else _long(node, level, path)


def _level_of(path: str) -> Level | None:
    """Return what stands at a path as far as the cell's fixed shape tells; None for options."""
    level: Level = CELL
    for part in path.split("."):
        match level:
            case Group(entries=entries) if part in entries:
                level = entries[part]
            case Part(beside=beside) if part in beside:
                level = beside[part]
            case Parts(kind=kind):
                level = Part(kind)
            case _:
                return None
    return level


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
    """Return a file's path, or several by their names, as an absolute one, relative to the file it is written in."""
    if isinstance(node, Fields):
        return node.with_fields({name: _located(each) for name, each in node.fields.items()})
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or node.value in _NO_FILES:
        return node
    folder = Path(node.mark.file).parent if node.mark.line else Path()
    path = Path(os.path.normpath((folder / Path(node.value).expanduser()).absolute()))
    return Scalar(str(path), node.mark, node.path)


def _located_groups(node: Node) -> Node:
    """Return the path of a file where there is one beside the matrix file; else what was given."""
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
            kept = _without(kept, frozenset().union(*(_EITHER.get(each, ()) for each in value.fields)))
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
    kept = _without(tree, _EITHER.get(first, ()) if _is_validation(tree) else ())
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
    old = _step(node, name)
    named = Scalar(name, value.mark, value.path)
    if len(parts) > 1:
        new: Node = _put_below(old, parts[1:], value)
    elif isinstance(value, Fields):
        new = value.with_fields({"name": named, **value.fields})
    else:
        new = value
    return Items(tuple(new if item is old else item for item in node.items), node.mark, node.path)
