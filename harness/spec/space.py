"""The dimensions of a search, each held against the cell that it varies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from harness.contracts import Cell, Choices, Range
from harness.plugins import Catalog
from harness.spec.conditions import choices_of, needed, ordered, refuse_conditions
from harness.spec.dimensions import dimension
from harness.spec.experiments import Assignment, Draft, Experiment, assignment
from harness.spec.fixed import free
from harness.spec.identity import canonical
from harness.spec.nodes import Fields, Node, Problems, Scalar, child, plain
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


def not_searched(path: str) -> str | None:
    """Return why no search varies a path of a cell, or None where one may."""
    found = [why for above, why in _NOT_SEARCHED.items() if path == above or path.startswith(f"{above}.")]
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class _Ground:
    """What dimensions are held against: the experiment, its own cell, and the whole `space:` as written."""

    experiment: Experiment
    start: Cell | None
    chooses_no_epoch: bool
    """Whether the winner is fitted on train+val, so that no epoch can be chosen by validation."""
    node: Fields
    catalog: Catalog

    def draft(self, values: Mapping[str, Node]) -> Draft:
        """Return the cell with these values, and with all that must be set for their paths to exist."""
        chain = {name: value for path in values for name, value in needed(path, self.node).items()}
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


def chooses_epoch(cell: Cell) -> bool:
    """Whether a cell's recipe chooses an epoch by validation."""
    return cell.recipe is not None and (cell.recipe.early_stopping is not None or cell.recipe.keep == "best")


def space(
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
    left = free(experiment, node, problems)
    if left is None:
        return {}
    ground = _Ground(experiment, start, final == "train+val", left, catalog)
    found = {path: _dimension(path, ground, problems) for path in ordered(left)}
    return {path: each for path, each in found.items() if each is not None}


def _dimension(path: str, ground: _Ground, problems: Problems) -> Range | Choices | None:
    node, found = ground.node.fields[path], Problems()
    written = dimension(node, found)
    refuse_conditions(path, ground.node, found)
    reason = not_searched(path)
    if reason:
        found.at_key(ground.node, path, reason)
    if not found:
        _refuse_values(path, ground, found)
    if not found and isinstance(written, Range):
        written = _whole(path, written, ground, found)
    problems.take(found)
    return None if found else written


def _refuse_values(path: str, ground: _Ground, problems: Problems) -> None:
    """Note bounds and choices that make no trial, or the same trial as others do."""
    node = ground.node.fields[path]
    cells: list[object] = []
    for value in _values(node):
        draft = ground.draft({path: value})
        problems.take(draft.problems)
        if draft.cell is None:
            continue
        ground.refuse(draft.cell, value, problems)
        cell = canonical(draft.cell, ground.catalog)
        if cell in cells:
            same = value_text(plain(value), True)
            is_choice = bool(choices_of(node))
            problems.at(value, f"{same} makes the same cell as {'an earlier choice' if is_choice else 'low'} does")
        cells.append(cell)
    if not problems:
        _refuse_absent(path, ground, problems)


def _refuse_absent(path: str, ground: _Ground, problems: Problems) -> None:
    """Note a dimension that does not go with every choice of the component that it belongs to."""
    value = next(_values(ground.node.fields[path]))
    chain = needed(path, ground.node)
    for owner, node in ground.node.fields.items():
        if owner == path or owner in chain or not path.startswith(f"{owner.removesuffix('.name')}."):
            continue
        valid = [each for each in choices_of(node) if ground.draft({owner: each}).cell is not None]
        having = [each for each in valid if ground.draft({owner: each, path: value}).cell is not None]
        if len(having) < len(valid):
            lacking = next(value_text(plain(each), True) for each in valid if each not in having)
            names = " or ".join(value_text(plain(each), True) for each in having) or "..."
            text = f"does not go with {owner} {lacking}; write when: {{{owner}: {names}}}"
            problems.at_key(ground.node, path, text)


def _values(node: Node) -> Iterator[Node]:
    assert isinstance(node, Fields)
    if "choices" in node.fields:
        yield from choices_of(node)
    else:
        yield node.fields["low"]
        yield node.fields["high"]


def _whole(path: str, written: Range, ground: _Ground, problems: Problems) -> Range:
    """Return the range, marked as one of whole numbers where the path takes nothing else."""
    node = ground.node.fields[path]
    if written.int or written.low != int(written.low) or written.high != int(written.high):
        return written
    if ground.draft({path: Scalar(written.low + 0.5, node.mark, node.path)}).cell is not None:
        return written
    if written.step is not None and written.step != int(written.step):
        problems.at(node, f"the path takes whole numbers only, and the step {written.step:g} is none")
    return written.model_copy(update={"int": True})
