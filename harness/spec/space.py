"""The dimensions of a search, each held against the cell that it varies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from harness.contracts import Choices, Range
from harness.errors import nearest
from harness.plugins import Catalog
from harness.spec.checking import check
from harness.spec.experiments import Assignment, Draft, Experiment, assignment
from harness.spec.nodes import Fields, Items, Node, Problems, Scalar, child, plain, shown


@dataclass(frozen=True, slots=True)
class _Ground:
    """What dimensions are held against: the experiment, and the whole `space:` as written."""

    experiment: Experiment
    node: Fields
    catalog: Catalog

    def draft(self, path: str, value: Node) -> Draft:
        """Return the cell with a value, and with all that must be set for its path to exist."""
        return self.experiment.draft((*self._conditions(path), self._assigned(path, value)), self.catalog)

    def _assigned(self, path: str, value: Node) -> Assignment:
        return assignment(path, value, self.node.key_mark(path), child(self.node.path, path))

    def _conditions(self, path: str) -> tuple[Assignment, ...]:
        found: dict[str, Assignment] = {}
        waiting = [path]
        while waiting:
            for name, value in _when(self.node.fields[waiting.pop()]).items():
                if name not in found and name in self.node.fields:
                    found[name] = self._assigned(name, value)
                    waiting.append(name)
        return tuple(found.values())


def _when(node: Node) -> dict[str, Node]:
    when = node.fields.get("when") if isinstance(node, Fields) else None
    return dict(when.fields) if isinstance(when, Fields) else {}


def space(
    experiment: Experiment, node: Node | None, catalog: Catalog, problems: Problems
) -> dict[str, Range | Choices]:
    """Return the dimensions of a search by path, with what is wrong in any of them noted.

    Every bound and every choice must make a valid cell of the experiment's settings, together with
    the values under `when` that the dimension depends on.
    """
    if node is None:
        return {}
    if not isinstance(node, Fields) or not node.fields:
        problems.at(node, "is not a mapping from paths to ranges or choices: there is nothing to search")
        return {}
    ground = _Ground(experiment, node, catalog)
    found = {path: _dimension(path, ground, problems) for path in node.fields}
    return {path: each for path, each in found.items() if each is not None}


def _dimension(path: str, ground: _Ground, problems: Problems) -> Range | Choices | None:
    node, found = ground.node.fields[path], Problems()
    written = _written(node, found)
    _refuse_conditions(path, ground, found)
    if not found:
        for value in _values(node):
            found.take(ground.draft(path, value).problems)
    problems.take(found)
    return None if found or written is None else _whole(path, written, node, ground)


def _written(node: Node, problems: Problems) -> Range | Choices | None:
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is neither {{low: ..., high: ...}} nor {{choices: [...]}}")
        return None
    if "choices" in node.fields:
        return _choices(node, problems)
    dimension = check(Range, node, problems)
    wrong = "" if dimension is None else _wrong_range(dimension)
    if wrong:
        problems.at(node, wrong)
    return dimension


def _choices(node: Fields, problems: Problems) -> Choices | None:
    found = check(Choices, node, problems)
    if found is not None and len(found.choices) < 2:
        problems.at(node.fields["choices"], "holds fewer than two choices: there is nothing to search")
    if found is not None and any(each in found.choices[:place] for place, each in enumerate(found.choices)):
        problems.at(node.fields["choices"], "holds a choice twice")
    return found


def _wrong_range(dimension: Range) -> str:
    low, high = dimension.low, dimension.high
    numbers = [each for each in (low, high, dimension.step) if each is not None]
    wrong = (
        (low >= high, f"low {low:g} is not below high {high:g}"),
        (dimension.log and low <= 0, f"a logarithmic scale needs a positive low, not {low:g}"),
        (dimension.log and dimension.step is not None, "log and step do not go together"),
        ((dimension.step or 0) > high - low, "the step is wider than the range"),
        (dimension.int and any(each != int(each) for each in numbers), "int: true needs whole numbers"),
    )
    return next((text for is_wrong, text in wrong if is_wrong), "")


def _refuse_conditions(path: str, ground: _Ground, problems: Problems) -> None:
    """Note what `when` names that is no other dimension, or a value that one never takes."""
    node = ground.node.fields[path]
    others = [name for name in ground.node.fields if name != path]
    for name, value in _when(node).items():
        if name not in others:
            problems.at(value, f'"{name}" is no other dimension of this space{nearest(name, others)}')
        elif not _takes(ground.node.fields[name], plain(value)):
            problems.at(value, f"{shown(plain(value))} is not among the choices of {name}")


def _takes(node: Node, value: JsonValue) -> bool:
    choices = node.fields.get("choices") if isinstance(node, Fields) else None
    return not isinstance(choices, Items) or value in [plain(item) for item in choices.items]


def _values(node: Node) -> Iterator[Node]:
    assert isinstance(node, Fields)
    choices = node.fields.get("choices")
    if isinstance(choices, Items):
        yield from choices.items
    else:
        yield node.fields["low"]
        yield node.fields["high"]


def _whole(path: str, dimension: Range | Choices, node: Node, ground: _Ground) -> Range | Choices:
    """Return the dimension, marked as one of whole numbers where the path takes nothing else."""
    if not isinstance(dimension, Range) or dimension.int:
        return dimension
    broken = int(dimension.low) + 0.5 if dimension.high - dimension.low >= 1 else dimension.low
    draft = ground.draft(path, Scalar(broken, node.mark, node.path))
    return dimension if draft.cell is not None else dimension.model_copy(update={"int": True})
