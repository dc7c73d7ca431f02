"""Experiments: the layers under each one's settings, and the cell that some paths make of them.

From the bottom up lie the components that a recipe has when none is named, the study's data set, `defaults:`, the
experiment's own settings, and then the paths that an axis, an addition, a switch, a trial or `--set` assigns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from harness.contracts import Cell, Frozen, Recipe
from harness.matrix.cell import check_recipe, is_classical, resolve
from harness.matrix.document import WrittenStudy, read_seeds, refuse_name, refuse_unknown
from harness.matrix.nodes import Fields, Mark, Node, Problems, Scalar, child, node_of, plain, shown
from harness.matrix.paths import depth, long_form, merge, names_file, put, wrong_path
from harness.plugins import Catalog

SETTINGS: Final = ("dataset", "model", "recipe", "train_on", "test")
"""What an experiment says of its cells; the paths of a cell begin with these."""


class WrittenExperiment(Frozen):
    """What an experiment has besides a cell's settings."""

    seeds: Any
    """In place of the study's seeds."""
    matrix: Any
    """Axes: a path, or several with commas between them that vary together, and its list of values. Every combination
    is a variant."""
    exclude: Any
    """Combinations to leave out, each a mapping from paths to values; one that matches nothing is an error."""
    add: Any
    """Further variants, each `{name: ..., path: value}`: the experiment's own settings with these paths set."""


_DEFAULTS: Final = (*SETTINGS, "seeds")
_EXPERIMENT: Final = (*SETTINGS, *WrittenExperiment.model_fields)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A path and its value, and where the path was written; an optional one is skipped where it does not exist."""

    path: str
    value: Node
    mark: Mark
    where: str
    written: JsonValue
    """The value as short data, for labels: file paths as they were written."""
    optional: bool = False


def assignment(path: str, value: Node, mark: Mark, where: str, optional: bool = False) -> Assignment:
    """Return an assignment whose value is in its long form."""
    long = long_form(value, path)
    return Assignment(path, long, mark, where, plain(value if names_file(path) else long), optional)


def assignments_of(node: Node, problems: Problems, skip: Iterable[str] = ()) -> tuple[Assignment, ...]:
    """Return the paths that a mapping sets, but for the entries named in `skip`."""
    if not isinstance(node, Fields):
        problems.at(node, "is not a mapping from paths to values")
        return ()
    given = [(path, value) for path, value in node.fields.items() if path not in set(skip)]
    return tuple(assignment(path, value, node.key_mark(path), child(node.path, path)) for path, value in given)


@dataclass(frozen=True, slots=True)
class Draft:
    """A cell on its way: its tree, the cell (seed 0) if it is valid, and its problems if not."""

    tree: Fields
    cell: Cell | None
    problems: Problems


@dataclass(frozen=True, slots=True)
class Experiment:
    """One entry of `experiments:`, with the settings that lie under its own."""

    name: str
    node: Fields
    mark: Mark
    under: Fields
    """Study, defaults and the defaults of a recipe; the recipe reaches network models only."""
    seeds: tuple[int, ...]
    overrides: tuple[Assignment, ...] = ()
    """What `--set` gives; wins over axes and additions that set the same path."""

    @property
    def path(self) -> str:
        """The dotted path of the entry."""
        return child("experiments", self.name)

    def draft(self, assignments: Sequence[Assignment], catalog: Catalog, overridden: bool = True) -> Draft:
        """Return the cell that these paths make of the experiment's settings.

        Of one path's assignments the override wins, unless `overridden` is false: an ablation's
        switch must be able to turn off what `--set` turned on.
        """
        layers = (assignments, self.overrides) if overridden else (self.overrides, assignments)
        chosen = {each.path: each for layer in layers for each in layer}
        problems = Problems()
        tree = self._tree(sorted(chosen.values(), key=lambda each: depth(each.path)), catalog, problems)
        cell = resolve(tree, catalog, problems)
        return Draft(tree, None if problems else cell, problems)

    def _tree(self, steps: Sequence[Assignment], catalog: Catalog, problems: Problems) -> Fields:
        """Merge the layers once the model is known, then set paths, whole mappings first."""
        own = self.node.with_fields(_only(self.node.fields))
        choosing = [each for each in steps if each.path in {"model", "model.name"}]
        tree = _assign(_over(own, self.under), choosing, catalog, problems)
        if is_classical(tree.fields.get("model"), catalog):
            tree = _assign(_over(own, _bare(self.under)), choosing, catalog, problems)
        return _assign(tree, [each for each in steps if each not in choosing], catalog, problems)


def _only(fields: Mapping[str, Node]) -> dict[str, Node]:
    return {name: fields[name] for name in SETTINGS if name in fields}


def _over(own: Fields, under: Fields) -> Fields:
    merged = merge(own, under)
    assert isinstance(merged, Fields)
    return merged


def _bare(under: Fields) -> Fields:
    return under.with_fields({name: value for name, value in under.fields.items() if name != "recipe"})


def _assign(tree: Fields, steps: Sequence[Assignment], catalog: Catalog, problems: Problems) -> Fields:
    """Return the tree with paths set in this order; one that does not exist is noted, or skipped if optional."""
    for each in steps:
        wrong = wrong_path(tree, each.path, catalog)
        if wrong is None:
            tree = put(tree, each.path, each.value)
        elif not each.optional:
            problems.add(each.mark, each.where, wrong)
    return tree


def read_experiments(
    root: Fields, overrides: Sequence[Assignment], seeds: Node | None, catalog: Catalog, problems: Problems
) -> dict[str, Experiment]:
    """Return the well-formed experiments of a document, in file order; `overrides` and `seeds` are those of `--set`."""
    layers = (root, _defaults(root, catalog, problems))
    node = root.fields.get("experiments")
    if node is None:
        problems.add(root.mark, "experiments", "is missing")
        return {}
    if not isinstance(node, Fields) or not node.fields:
        problems.at(node, "holds no experiment; write NAME: {model: ...}")
        return {}
    found = {}
    for name, each in node.fields.items():
        refuse_name(name, node.key_mark(name), child(node.path, name), problems)
        if isinstance(each, Fields):
            refuse_unknown(each, _EXPERIMENT, problems)
            entry = Fields(each.fields, node.key_mark(name), child("experiments", name), each.keys)
            under, own = _under(entry, layers), _seeds((entry, *reversed(layers)), seeds, problems)
            found[name] = Experiment(name, entry, entry.mark, under, own, tuple(overrides))
        else:
            problems.at(each, f"{shown(plain(each))} is not a mapping; write {{model: ...}}")
    return found


def _defaults(root: Fields, catalog: Catalog, problems: Problems) -> Fields:
    node = root.fields.get("defaults")
    nothing = Fields({}, root.mark, root.path)
    if node is None:
        return nothing
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not a mapping")
        return nothing
    refuse_unknown(node, _DEFAULTS, problems)
    if "recipe" in node.fields:
        below = _recipe_defaults(node.mark, node.path).fields["recipe"]
        check_recipe(merge(node.fields["recipe"], below), catalog, problems)
    return node


def _under(node: Fields, layers: tuple[Fields, Fields]) -> Fields:
    """Return what lies under an experiment's own settings: the defaults over the study's data set."""
    root, defaults = layers
    under: Node = _recipe_defaults(node.mark, node.path)
    for layer, names in ((root, ("dataset",)), (defaults, SETTINGS)):
        under = merge(layer.with_fields({each: layer.fields[each] for each in names if each in layer.fields}), under)
    assert isinstance(under, Fields)
    return under


def _seeds(layers: tuple[Fields, ...], given: Node | None, problems: Problems) -> tuple[int, ...]:
    """Return the seeds that `--set` gives, else those of the first layer that lists some; all layers are checked."""
    written = [read_seeds(layer.fields["seeds"], problems) for layer in layers if "seeds" in layer.fields]
    if given is not None:
        return read_seeds(given, problems)
    return written[0] if written else WrittenStudy.model_fields["seeds"].default


def _recipe_defaults(mark: Mark, path: str) -> Fields:
    """Return the layer below all others: the components that a recipe has when none is named."""
    parts = {name: Recipe.model_fields[name].default.name for name in ("optimizer", "schedule")}
    where = child(path, "recipe")
    fields: dict[str, Node] = {
        kind: Fields({"name": Scalar(name, mark, child(where, kind))}, mark, child(where, kind))
        for kind, name in parts.items()
    }
    return Fields({"recipe": Fields(fields, mark, where)}, mark, path)


def varied(cell: Cell, values: Mapping[str, JsonValue], catalog: Catalog) -> Cell:
    """Return the cell with these paths set, by the rules of a matrix file's axes; its seed stays.

    Raises:
        MatrixError: a path that does not exist, or a value that it does not take.
    """
    problems, mark = Problems(), Mark(0, 0, 0, "values")
    whole = cell.model_dump(mode="json", exclude={"seed"} if cell.recipe else {"seed", "recipe"})
    tree = node_of(whole, mark)
    assert isinstance(tree, Fields)
    steps = [assignment(path, node_of(value, mark, path), mark, path) for path, value in values.items()]
    tree = _assign(tree, sorted(steps, key=lambda each: depth(each.path)), catalog, problems)
    found = resolve(tree, catalog, problems)
    problems.raise_any()
    assert found is not None
    return found.model_copy(update={"seed": cell.seed})
