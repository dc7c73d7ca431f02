"""`study`, `defaults` and `experiments` -> experiments over the settings below them."""

from __future__ import annotations

from typing import Final

from harness.plugins import Catalog
from harness.spec.document import refuse_unknown
from harness.spec.experiments import SETTINGS, Experiment, recipe_defaults
from harness.spec.merging import merge
from harness.spec.nodes import Fields, Node, Problems, child, plain, shown
from harness.spec.overrides import Overrides
from harness.spec.resolve import check_recipe
from harness.spec.sections import seeds

_DEFAULTS: Final = (*SETTINGS, "seeds")
_EXPERIMENT: Final = (*_DEFAULTS, "matrix", "exclude", "add")


def read_experiments(root: Fields, overrides: Overrides, catalog: Catalog, problems: Problems) -> dict[str, Experiment]:
    """Return the well-formed experiments of a document, in file order."""
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
        if isinstance(each, Fields):
            refuse_unknown(each, _EXPERIMENT, problems)
            entry = Fields(each.fields, node.key_mark(name), child("experiments", name), each.keys)
            found[name] = _experiment(name, entry, layers, overrides, problems)
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
        below = recipe_defaults(node.mark, node.path).fields["recipe"]
        check_recipe(merge(node.fields["recipe"], below), catalog, problems)
    return node


def _experiment(
    name: str, node: Fields, layers: tuple[Fields, Fields], overrides: Overrides, problems: Problems
) -> Experiment:
    """Return one experiment over its layers: the study's own settings, then the defaults."""
    root, defaults = layers
    under: Node = recipe_defaults(node.mark, node.path)
    for layer, names in ((root, ("dataset",)), (defaults, SETTINGS)):
        under = merge(layer.with_fields({each: layer.fields[each] for each in names if each in layer.fields}), under)
    assert isinstance(under, Fields)
    seeds_here = _seeds((node, defaults, root), overrides, problems)
    return Experiment(name, node, node.mark, under, seeds_here, overrides.assignments)


def _seeds(layers: tuple[Fields, ...], overrides: Overrides, problems: Problems) -> tuple[int, ...]:
    """Return the seeds of the first layer that lists some; all layers are checked."""
    written = [seeds(layer.fields["seeds"], problems) for layer in layers if "seeds" in layer.fields]
    if overrides.seeds is not None:
        return seeds(overrides.seeds, problems)
    return written[0] if written else (0,)
