"""The path grammar: which dotted paths a cell has, e.g. `recipe.augment.crop.pad`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import BaseModel

from harness.contracts import Limit, Recipe, Validation
from harness.errors import nearest
from harness.plugins import Catalog
from harness.spec.checking import nested
from harness.spec.components import declared, is_classical
from harness.spec.nodes import Fields, Items, Node, name_in


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


RECIPE: Final = _group(
    Recipe, {"optimizer": Part("optimizer"), "schedule": Part("schedule"), "augment": Parts("augmentation")}
)
CELL: Final = Group(
    {
        "dataset": Part("source", {"validation": _group(Validation, {}), "limit": _group(Limit, {})}),
        "model": Part("model"),
        "recipe": RECIPE,
        "train_on": Leaf(),
        "test": Leaf(),
    }
)
"""What a cell is made of; seeds are no path, they are listed in `seeds:`."""


def level_of(path: str) -> Level | None:
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
        node, level = step(node, part), entries[part]
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
    return {"name": Leaf(), **{name: Leaf() for name in model.model_fields}, **level.beside}


def step(node: Node | None, part: str) -> Node | None:
    """Return the entry of a mapping, or the component of that name in a list."""
    match node:
        case Fields(fields=fields):
            return fields.get(part)
        case Items(items=items):
            return next((item for item in items if name_in(item) == part), None)
    return None
