"""Settings as a tree of values that know where they were written, and what is wrong with them.

Every reader of a matrix file gets nodes and a collection of `Problems`; it returns what it can and notes the rest, so
that a person hears of everything at once, each with file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pydantic import JsonValue

from harness.errors import MatrixError

Atom: TypeAlias = str | int | float | bool | None
_LONGEST_SHOWN: Final = 200
"""Characters of a value, a path or an option that a message quotes."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A position, sorted by file (0 is the matrix file itself), line and column, both from 1.

    Values of `--set` have no line; their `file` is the whole option as it was given.
    """

    order: int
    line: int
    column: int
    file: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value; `path` is the dotted path at which it was written (empty for `--set`)."""

    value: Atom
    mark: Mark
    path: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark
    path: str


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping from names to nodes, in file order; `keys` says where each name stands."""

    fields: Mapping[str, Node]
    mark: Mark
    path: str
    keys: Mapping[str, Mark] = field(default_factory=dict)

    def with_fields(self, fields: Mapping[str, Node], keys: Mapping[str, Mark] | None = None) -> Fields:
        """Return the same mapping, at the same place, with these entries."""
        return Fields(fields, self.mark, self.path, self.keys if keys is None else keys)

    def key_mark(self, name: str) -> Mark:
        """Return where a name stands."""
        return self.keys.get(name, self.mark)


Node: TypeAlias = Scalar | Items | Fields


def plain(node: Node) -> JsonValue:
    """Return the node as JSON-like data."""
    match node:
        case Scalar(value=value):
            return value
        case Items(items=items):
            return [plain(item) for item in items]
    return {name: plain(value) for name, value in node.fields.items()}


def node_of(value: JsonValue, mark: Mark, path: str = "") -> Node:
    """Return plain data as nodes that all stand at one mark."""
    match value:
        case dict():
            fields = {name: node_of(entry, mark, child(path, name)) for name, entry in value.items()}
            return Fields(fields, mark, path)
        case list():
            return Items(tuple(node_of(item, mark, child(path, place)) for place, item in enumerate(value)), mark, path)
    return Scalar(value, mark, path)


def child(path: str, name: str | int) -> str:
    """Return the path of an entry; nothing is below the path of a `--set` value."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def name_in(node: Node | None) -> str | None:
    """Return the text under `name` of a mapping, if there is one."""
    named = node.fields.get("name") if isinstance(node, Fields) else None
    return named.value if isinstance(named, Scalar) and isinstance(named.value, str) else None


class Problems:
    """Collects what is wrong, so that a person hears of everything at once."""

    def __init__(self) -> None:
        self._found: set[tuple[Mark, str, str]] = set()

    def add(self, mark: Mark, path: str, text: str) -> None:
        """Note one problem at a position; the same one twice counts once."""
        self._found.add((mark, path, text))

    def at(self, node: Node, text: str) -> None:
        """Note a problem of a value."""
        self.add(node.mark, node.path, text)

    def at_key(self, node: Fields, name: str, text: str) -> None:
        """Note a problem of an entry of a mapping, at its name; merged entries keep their own path."""
        entry = node.fields.get(name)
        self.add(node.key_mark(name), child(node.path, name) if entry is None else entry.path, text)

    def take(self, other: Problems) -> None:
        """Note all problems of another collection."""
        self._found |= other._found

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[str]:
        for mark, path, text in sorted(self._found):
            place = str(mark) if mark.line else _cut(str(mark))
            yield ": ".join(part for part in (place, _cut(path), text) if part)

    def raise_any(self) -> None:
        """Raise MatrixError with one line for each problem, sorted by position, if there is one."""
        if self._found:
            raise MatrixError(tuple(self))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def shown(value: object) -> str:
    """Return a value as it is quoted in messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{_cut(value)}"'
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
    return str(value)
