"""The `space:` of a search: its ranges and choices, each held against the cells that it would make.

A dimension may exist only `when` others have some value; those conditions, and theirs, are its chain. What no search
may vary is refused here, and dimensions that `--set` fixes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Final

from harness.contracts import Cell, Choices, Range
from harness.errors import nearest
from harness.matrix.checking import check
from harness.matrix.experiments import Assignment, Draft, Experiment, assignment
from harness.matrix.identity import canonical
from harness.matrix.nodes import Fields, Items, Node, Problems, Scalar, child, plain, shown
from harness.plugins import Catalog
from harness.words import value_text

_SEED: Final = (
    "a search must not vary the seed: the trials would not be comparable; objective.seeds averages over several"
)
_NOT_SEARCHED: Final = {
    "dataset": "a search must not vary the data set or its split: the trials would not be comparable",
    "seed": _SEED,
    "seeds": _SEED,
    "test": "a search never opens the test set; its winner alone does, once",
    "train_on": "a search must not vary what is fitted on: the trials would not be comparable; see final.train_on",
    "recipe.checkpoint": "has no influence on the result: there is nothing to search",
    "recipe.tta": "has no influence on the plain validation figures: there is nothing to search",
}


def read_space(
    experiment: Experiment, start: Cell | None, node: Node | None, catalog: Catalog, problems: Problems, *, final: str
) -> dict[str, Range | Choices]:
    """Return the dimensions by path, each behind those it depends on, with what is wrong in any noted.

    Every bound and every choice must make a valid cell of the experiment's settings, together with
    the values under `when` that the dimension depends on. Dimensions that `--set` fixes are left out.
    """
    if node is None:
        return {}
    if not isinstance(node, Fields) or not node.fields:
        problems.at(node, "is not a mapping from paths to ranges or choices: there is nothing to search")
        return {}
    left = _free(experiment, node, problems)
    if left is None:
        return {}
    context = _Context(experiment, start, final == "train+val", left, catalog)
    found = {path: _dimension(path, context, problems) for path in _ordered(left)}
    return {path: each for path, each in found.items() if each is not None}


@dataclass(frozen=True, slots=True)
class _Context:
    """What dimensions are held against: the experiment, its own cell, and the whole `space:` as written."""

    experiment: Experiment
    start: Cell | None
    chooses_no_epoch: bool
    """Whether the winner is fitted on train+val, so that no epoch can be chosen by validation."""
    node: Fields
    catalog: Catalog

    def draft(self, values: Mapping[str, Node]) -> Draft:
        """Return the cell with these values, and with all that must be set for their paths to exist."""
        chain = {name: value for path in values for name, value in _needed(path, self.node).items()}
        return self.experiment.draft([self._assigned(*each) for each in {**chain, **values}.items()], self.catalog)

    def _assigned(self, path: str, value: Node) -> Assignment:
        return assignment(path, value, self.node.key_mark(path), child(self.node.path, path))

    def refuse(self, cell: Cell, value: Node, problems: Problems) -> None:
        """Note a cell that is valid by itself but no trial of this study."""
        if self.start is None:
            return
        takes = cell.recipe is not None
        if takes != (self.start.recipe is not None):
            text = f'model "{cell.model.name}" takes {"a" if takes else "no"} recipe, unlike "{self.start.model.name}"'
            problems.at(value, f"{text}, from which the search starts; tune them as two experiments")
        if self.chooses_no_epoch and chooses_epoch(cell) and not chooses_epoch(self.start):
            problems.at(value, "stops early or keeps the best epoch, which final.train_on: train+val has no images for")


def _dimension(path: str, context: _Context, problems: Problems) -> Range | Choices | None:
    node, found = context.node.fields[path], Problems()
    written = _written(node, found)
    _refuse_conditions(path, context.node, found)
    reason = not_searched(path)
    if reason:
        found.at_key(context.node, path, reason)
    if not found:
        _refuse_values(path, context, found)
    if not found and isinstance(written, Range):
        written = _whole(path, written, context, found)
    problems.take(found)
    return None if found else written


def _refuse_values(path: str, context: _Context, problems: Problems) -> None:
    """Note bounds and choices that make no trial, or the same trial as others do."""
    node = context.node.fields[path]
    cells: list[object] = []
    for value in _values(node):
        draft = context.draft({path: value})
        problems.take(draft.problems)
        if draft.cell is None:
            continue
        context.refuse(draft.cell, value, problems)
        cell = canonical(draft.cell, context.catalog)
        if cell in cells:
            same = value_text(plain(value), True)
            is_choice = bool(_choices_of(node))
            problems.at(value, f"{same} makes the same cell as {'an earlier choice' if is_choice else 'low'} does")
        cells.append(cell)
    if not problems:
        _refuse_absent(path, context, problems)


def _refuse_absent(path: str, context: _Context, problems: Problems) -> None:
    """Note a dimension that does not go with every choice of the component that it belongs to."""
    value = next(_values(context.node.fields[path]))
    chain = _needed(path, context.node)
    for owner, node in context.node.fields.items():
        if owner == path or owner in chain or not path.startswith(f"{owner.removesuffix('.name')}."):
            continue
        valid = [each for each in _choices_of(node) if context.draft({owner: each}).cell is not None]
        having = [each for each in valid if context.draft({owner: each, path: value}).cell is not None]
        if len(having) < len(valid):
            lacking = next(value_text(plain(each), True) for each in valid if each not in having)
            names = " or ".join(value_text(plain(each), True) for each in having) or "..."
            text = f"does not go with {owner} {lacking}; write when: {{{owner}: {names}}}"
            problems.at_key(context.node, path, text)


def _values(node: Node) -> Iterator[Node]:
    assert isinstance(node, Fields)
    if "choices" in node.fields:
        yield from _choices_of(node)
    else:
        yield node.fields["low"]
        yield node.fields["high"]


def _whole(path: str, written: Range, context: _Context, problems: Problems) -> Range:
    """Return the range, marked as one of whole numbers where the path takes nothing else."""
    node = context.node.fields[path]
    if written.int or written.low != int(written.low) or written.high != int(written.high):
        return written
    if context.draft({path: Scalar(written.low + 0.5, node.mark, node.path)}).cell is not None:
        return written
    if written.step is not None and written.step != int(written.step):
        problems.at(node, f"the path takes whole numbers only, and the step {written.step:g} is none")
    return written.model_copy(update={"int": True})


def _written(node: Node, problems: Problems) -> Range | Choices | None:
    """Return a dimension as written, or None with its problems noted."""
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is neither {{low: ..., high: ...}} nor {{choices: [...]}}")
        return None
    if "choices" in node.fields:
        return _choices(node, problems)
    written = check(Range, node, problems)
    wrong = "" if written is None else _wrong_range(written)
    if wrong:
        problems.at(node, wrong)
    return written


def _choices(node: Fields, problems: Problems) -> Choices | None:
    written = check(Choices, node, problems)
    if written is not None and len(written.choices) < 2:
        problems.at(node.fields["choices"], "holds fewer than two choices: there is nothing to search")
    return written


def _wrong_range(written: Range) -> str:
    """Return what is wrong with a range, or nothing."""
    low, high, step = written.low, written.high, written.step
    numbers = [each for each in (low, high, step) if each is not None]
    if not all(isfinite(each) for each in (*numbers, high - low)):
        return "low, high and step must be finite, and not further apart than numbers go"
    wrong = (
        (low >= high, f"low {low:g} is not below high {high:g}"),
        (written.log and low <= 0, f"a logarithmic scale needs a positive low, not {low:g}"),
        (written.log and step is not None, "log and step do not go together"),
        ((step or 0) > high - low, "the step is wider than the range"),
        (written.int and any(each != int(each) for each in numbers), "int: true needs whole numbers"),
    )
    return next((text for is_wrong, text in wrong if is_wrong), "") or _off_grid(low, high, step)


def _off_grid(low: float, high: float, step: float | None) -> str:
    """Return what is wrong with a high that no number of steps reaches, in decimals as they are written."""
    if step is None:
        return ""
    start, end, width = (Decimal(repr(each)) for each in (low, high, step))
    rest = (end - start) % width
    if not rest:
        return ""
    return f"no number of steps of {step:g} leads from low {low:g} to high {high:g}; {float(end - rest):g} would do"


def _free(experiment: Experiment, space: Fields, problems: Problems) -> Fields | None:
    """Return the dimensions that no `--set` fixes, as an axis that is set collapses to one value.

    None with a problem noted where one cannot be fixed: what others depend on, an option of a
    component that is itself searched (another one would not have it), and the last dimension.
    """
    found, kept = Problems(), dict(space.fields)
    for path in space.fields:
        for each in experiment.overrides:
            if _named(each.path) == _named(path):
                kept.pop(path, None)
                _refuse_needed(each, path, space, found)
            elif each.path.startswith(f"{_named(path)}.") and _has_choices(space, path):
                text = f"not every choice of {path} has this option ({space.key_mark(path)}: {space.path})"
                found.add(each.mark, "", text)
    if not kept:
        last = [each for each in experiment.overrides if _named(each.path) in map(_named, space.fields)][-1]
        found.add(last.mark, "", f"leaves nothing to search ({space.mark}: {space.path})")
    problems.take(found)
    return None if found else space.with_fields(kept)


def _refuse_needed(override: Assignment, path: str, space: Fields, problems: Problems) -> None:
    for name, node in space.fields.items():
        if path in _when(node):
            problems.add(override.mark, "", f"{name} is searched when {path} has a value ({space.mark}: {space.path})")


def _has_choices(space: Fields, path: str) -> bool:
    node = space.fields[path]
    return isinstance(node, Fields) and "choices" in node.fields


def _named(path: str) -> str:
    """Return the path of a component for the path of its name."""
    return path.removesuffix(".name")


def _when(node: Node) -> dict[str, Node]:
    """Return the other dimensions that one names, and the value of each."""
    written = node.fields.get("when") if isinstance(node, Fields) else None
    return dict(written.fields) if isinstance(written, Fields) else {}


def _choices_of(node: Node) -> tuple[Node, ...]:
    """Return the choices of a dimension as they are written; none of a range."""
    written = node.fields.get("choices") if isinstance(node, Fields) else None
    return written.items if isinstance(written, Items) else ()


def _needed(path: str, space: Fields) -> dict[str, Node]:
    """Return all that must be set for a dimension to exist: its conditions, theirs, and so on."""
    found: dict[str, Node] = {}
    waiting = [path]
    while waiting:
        for name, value in _when(space.fields[waiting.pop()]).items():
            if name not in found and name in space.fields:
                found[name] = value
                waiting.append(name)
    return found


def _ordered(space: Fields) -> list[str]:
    """Return the dimensions, each behind those that it depends on, else in file order."""
    found: dict[str, None] = {}
    for path in space.fields:
        ways = [name for name in _needed(path, space) if name != path]
        found |= dict.fromkeys(sorted(ways, key=lambda name: len(_needed(name, space))))
        found[path] = None
    return list(found)


def _refuse_conditions(path: str, space: Fields, problems: Problems) -> None:
    """Note conditions on what is no other dimension of choices, circles of them, and ones that exclude each other."""
    others = [name for name in space.fields if name != path]
    for name, value in _when(space.fields[path]).items():
        wrong = _wrong_condition(name, value, path, space)
        if wrong:
            problems.at(value, wrong if name in space.fields else f"{wrong}{nearest(name, others)}")
    for name, value in _when(space.fields[path]).items():
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
    choices = [plain(each) for each in _choices_of(other)]
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
            ways += [(*way, name) for name in _when(space.fields[way[-1]]) if name != way[-1]]
    return None


def _clashes(path: str, space: Fields) -> Iterator[str]:
    """Yield what the conditions of a dimension, and theirs, ask of one other in two ways."""
    chain = _needed(path, space)
    for name in chain:
        for other, value in _when(space.fields[name]).items():
            if other in chain and plain(chain[other]) != plain(value):
                yield f"{other} would be {shown(plain(chain[other]))} and {shown(plain(value))} at once"


def not_searched(path: str) -> str | None:
    """Return why no search varies a path of a cell, or None where one may."""
    found = [why for above, why in _NOT_SEARCHED.items() if path == above or path.startswith(f"{above}.")]
    return found[0] if found else None


def chooses_epoch(cell: Cell) -> bool:
    """Whether a cell's recipe chooses an epoch by validation."""
    return cell.recipe is not None and (cell.recipe.early_stopping is not None or cell.recipe.keep == "best")


def points(written: Range | Choices) -> int | None:
    """Return how many values a dimension has, or None where it has any number of them."""
    if isinstance(written, Choices):
        return len(written.choices)
    step = written.step or (1 if written.int else None)
    return None if step is None else 1 + round((written.high - written.low) / step)
