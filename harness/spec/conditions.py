"""`when:` of a dimension: which values of others it exists beside."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import nearest
from harness.spec.nodes import Fields, Items, Node, Problems, plain, shown


def when(node: Node) -> dict[str, Node]:
    """Return the other dimensions that one names, and the value of each."""
    written = node.fields.get("when") if isinstance(node, Fields) else None
    return dict(written.fields) if isinstance(written, Fields) else {}


def choices_of(node: Node) -> tuple[Node, ...]:
    """Return the choices of a dimension as they are written; none of a range."""
    written = node.fields.get("choices") if isinstance(node, Fields) else None
    return written.items if isinstance(written, Items) else ()


def needed(path: str, space: Fields) -> dict[str, Node]:
    """Return all that must be set for a dimension to exist: its conditions, theirs, and so on."""
    found: dict[str, Node] = {}
    waiting = [path]
    while waiting:
        for name, value in when(space.fields[waiting.pop()]).items():
            if name not in found and name in space.fields:
                found[name] = value
                waiting.append(name)
    return found


def ordered(space: Fields) -> list[str]:
    """Return the dimensions, each behind those that it depends on, else in file order."""
    found: dict[str, None] = {}
    for path in space.fields:
        ways = [name for name in needed(path, space) if name != path]
        found |= dict.fromkeys(sorted(ways, key=lambda name: len(needed(name, space))))
        found[path] = None
    return list(found)


def refuse_conditions(path: str, space: Fields, problems: Problems) -> None:
    """Note conditions on what is no other dimension of choices, circles of them, and ones that exclude each other."""
    others = [name for name in space.fields if name != path]
    for name, value in when(space.fields[path]).items():
        wrong = _wrong_condition(name, value, path, space)
        if wrong:
            problems.at(value, wrong if name in space.fields else f"{wrong}{nearest(name, others)}")
    for name, value in when(space.fields[path]).items():
        circle = _circle(path, name, space) if name in others else None
        if circle is not None and path == min(circle, key=list(space.fields).index):
            problems.at(value, f"goes in a circle: {' needs '.join((path, *circle))}")
    for text in _clashes(path, space):
        problems.at(space.fields[path], f"can never exist: {text}")


def _wrong_condition(name: str, value: Node, path: str, space: Fields) -> str:
    if name == path:
        return "a dimension cannot depend on itself"
    if name not in space.fields:
        return f'"{name}" is no other dimension of this space'
    other = space.fields[name]
    if isinstance(other, Fields) and "choices" not in other.fields:
        return f"{name} is a range; only a value of choices can be asked for"
    choices = [plain(each) for each in choices_of(other)]
    return "" if plain(value) in choices else f"{shown(plain(value))} is not among the choices of {name}"


def _circle(path: str, first: str, space: Fields) -> tuple[str, ...] | None:
    """Return the way from a condition back to the dimension that has it, or None where there is none."""
    ways: list[tuple[str, ...]] = [(first,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == path:
            return way
        if way[-1] in space.fields and way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, name) for name in when(space.fields[way[-1]]) if name != way[-1]]
    return None


def _clashes(path: str, space: Fields) -> Iterator[str]:
    """Yield what the conditions of a dimension, and theirs, ask of one other in two ways."""
    chain = needed(path, space)
    for name in chain:
        for other, value in when(space.fields[name]).items():
            if other in chain and plain(chain[other]) != plain(value):
                yield f"{other} would be {shown(plain(chain[other]))} and {shown(plain(value))} at once"
