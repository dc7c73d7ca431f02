"""YAML text -> nodes with positions. YAML 1.2 core values, no tags, no duplicate keys.

A matrix file may come from anywhere, so what it can do is bounded: it is a regular file of a stated size, with a stated
number of values (an alias counts as all that it stands for) and depth, and without characters that steer terminals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from harness.errors import MatrixError
from harness.matrix.nodes import Atom, Fields, Items, Mark, Node, Problems, Scalar, child

_NULL: Final = {"", "~", "null", "Null", "NULL"}
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]{1,400}|0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but for tabs and ends of lines, and halves of characters; text has them by escapes alone."""
_HINTS: Final = {
    "escape": "; in single quotes a backslash stands for itself",
    "'\\t'": "; YAML is indented by spaces",
}
"""Part of what the parser says -> what to do."""
_MOST_BYTES: Final = 5_000_000
_MOST_NODES: Final = 150_000
_MOST_DEPTH: Final = 60
_MOST_WHOLE: Final = 2**63


def read_file(path: Path, order: int, problems: Problems) -> Node:
    """Return the tree of a YAML file; `order` sorts its positions after those of earlier files.

    Raises:
        MatrixError: the file cannot be read or is not well-formed YAML.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device may never end
            raise MatrixError([f"{path}: cannot be read: it is no regular file"])
        if path.stat().st_size > _MOST_BYTES:
            raise MatrixError([f"{path}: is larger than {_MOST_BYTES // 1_000_000} MB"])
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MatrixError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise MatrixError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    return parse(text, Mark(order, 1, 1, str(path)), problems)


def parse(text: str, start: Mark, problems: Problems, root: str = "") -> Node:
    """Return the tree of a YAML text that begins at `start`; duplicate keys and tags become problems.

    Raises:
        MatrixError: the text is not well-formed YAML, or has no value, or more than one document.
    """
    try:
        return _Builder(text, start, problems).document(root)
    except MarkedYAMLError as error:
        raise MatrixError([f"{_located(error, start)}: {_said(error)}"]) from error
    except ReaderError as error:
        before, character = text[: error.position], chr(error.character)
        at = Mark(start.order, before.count("\n") + 1, len(before) - before.rfind("\n"), start.file)
        place = at if start.line else start
        raise MatrixError([f"{place}: has {character!a}, which is no printable character"]) from error
    except YAMLError as error:
        raise MatrixError([f"{start}: {' '.join(str(error).split())}"]) from error


def _located(error: MarkedYAMLError, start: Mark) -> Mark:
    found = error.problem_mark or error.context_mark
    return _mark(start, found) if found is not None else start


def _said(error: MarkedYAMLError) -> str:
    problem = error.problem or ""
    hint = next((text for part, text in _HINTS.items() if part in problem), "")
    return " ".join(f"is not YAML: {error.context or ''} {problem}{hint}".split())


def _mark(start: Mark, found: Any) -> Mark:
    if not start.line:
        return start
    return Mark(start.order, found.line + 1, found.column + 1, start.file)


class _Builder:
    """Turns the parser's events into nodes; an alias is the node that its anchor names."""

    def __init__(self, text: str, start: Mark, problems: Problems) -> None:
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self._start = start
        self._problems = problems
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0

    def document(self, root: str) -> Node:
        """Return the only document's tree.

        Raises:
            MatrixError: there is none, or a second one.
        """
        event = next(self._events)
        while isinstance(event, StreamStartEvent | DocumentStartEvent):
            event = next(self._events)
        if not isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
            raise MatrixError([f"{self._start}: is empty"])
        node = self._node(event, root, 0)
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                raise MatrixError([f"{_mark(self._start, event.start_mark)}: a second document; one file holds one"])
            if not isinstance(event, DocumentEndEvent):
                break
        return node

    def _node(self, event: Any, path: str, depth: int) -> Node:
        self._grow(event, 1, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        before = self._count
        self._refuse_tag(event, path)
        self._refuse_control(event, path)
        node = self._built(event, path, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._count - before + 1)
        return node

    def _built(self, event: Any, path: str, depth: int) -> Node:
        mark = _mark(self._start, event.start_mark)
        if isinstance(event, ScalarEvent):
            return Scalar(_value(event), mark, path)
        if isinstance(event, SequenceStartEvent):
            return Items(tuple(self._items(path, depth)), mark, path)
        return self._mapping(mark, path, depth)

    def _grow(self, event: Any, nodes: int, depth: int) -> None:
        self._count += nodes
        if self._count > _MOST_NODES or depth > _MOST_DEPTH:
            raise MatrixError([f"{_mark(self._start, event.start_mark)}: too large or too deeply nested"])

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise MatrixError([f"{_mark(self._start, event.start_mark)}: *{event.anchor} is not defined above"])
        node, size = self._anchors[event.anchor]
        self._grow(event, size, 0)
        return node

    def _refuse_tag(self, event: Any, path: str) -> None:
        if event.tag is not None and event.tag != "!":
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            text = f"tag {tag} is refused; only plain YAML is read"
            self._problems.add(_mark(self._start, event.start_mark), path, text)

    def _refuse_control(self, event: Any, path: str) -> None:
        found = _CONTROL.search(event.value) if isinstance(event, ScalarEvent) else None
        if found is not None:
            text = f"has {found[0]!a}, which is no printable character"
            self._problems.add(_mark(self._start, event.start_mark), path, text)

    def _items(self, path: str, depth: int) -> Iterator[Node]:
        place = 0
        while not isinstance(event := next(self._events), SequenceEndEvent):
            yield self._node(event, child(path, place), depth + 1)
            place += 1

    def _mapping(self, mark: Mark, path: str, depth: int) -> Fields:
        fields: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            name, at = self._key(event, path, depth), _mark(self._start, event.start_mark)
            value = self._node(next(self._events), child(path, name), depth + 1)
            if isinstance(value, Scalar) and value.value is None and value.mark.line > at.line:
                value = Scalar(None, at, value.path)  # nothing is written: YAML has it end where the next token begins
            if name == "<<" and event.style is None:
                merged.append(value)
            elif name in fields:
                self._problems.add(at, child(path, name), f"duplicate key; the first is at {keys[name]}")
            else:
                fields[name], keys[name] = value, at
        return self._merged(Fields(fields, mark, path, keys), merged)

    def _key(self, event: Any, path: str, depth: int) -> str:
        if isinstance(event, ScalarEvent):
            self._refuse_tag(event, path)
            self._refuse_control(event, path)
            return str(event.value)
        node = self._node(event, path, depth + 1)
        if isinstance(node, Scalar):
            return str(node.value)
        self._problems.at(node, "a key must be a single word")
        return "?"

    def _merged(self, node: Fields, merged: list[Node]) -> Fields:
        """Return the mapping with the entries of its `<<` under its own."""
        sources = [each for value in merged for each in (value.items if isinstance(value, Items) else (value,))]
        for source in sources:
            if not isinstance(source, Fields):
                self._problems.at(source, "<< takes a mapping")
                continue
            node = node.with_fields({**source.fields, **node.fields}, {**source.keys, **node.keys})
        return node


def _value(event: Any) -> Atom:
    """Return a scalar's value by YAML 1.2's core schema; what is not finite stays text.

    A whole number beyond 64 bits, which is none that anything could count to, becomes one that is not whole.
    """
    text: str = event.value
    if event.style is not None or event.tag is not None:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    return _number(text)


def _number(text: str) -> Atom:
    if _INT.fullmatch(text):
        whole = int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
        if -_MOST_WHOLE <= whole < _MOST_WHOLE:
            return whole
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if abs(value) != float("inf") else text
    return text
