"""A cell's tree of settings -> a frozen, complete, valid cell."""

from __future__ import annotations

from typing import Any, Final

from harness.contracts import Cell, Recipe
from harness.plugins import Catalog
from harness.spec.checking import check_value
from harness.spec.components import completed, is_classical
from harness.spec.nodes import Fields, Items, Node, Problems, name_in, plain

_BESIDE: Final = ("validation", "limit")
"""Settings of a data set that are not options of its source."""
_CHOOSING: Final = "train_on: train+val leaves no validation images to choose an epoch by"


def resolve(tree: Fields, catalog: Catalog, problems: Problems) -> Cell | None:
    """Return the cell that a tree describes, with seed 0, or None with every problem noted."""
    found = Problems()
    value: dict[str, Any] = {"seed": 0, "recipe": _recipe(tree, catalog, found)}
    value |= {name: plain(tree.fields[name]) for name in ("train_on", "test") if name in tree.fields}
    if (model := tree.fields.get("model")) is not None:
        value["model"] = _part("model", model, catalog, found)
    if (dataset := tree.fields.get("dataset")) is not None:
        value["dataset"] = _dataset(dataset, catalog, found)
    cell = check_value(Cell, value, tree, found)
    if cell is not None:
        refuse_choosing(cell, tree, found)
    problems.take(found)
    return None if found else cell


def _part(kind: str, node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any]:
    """Return a complete component, or a stand-in so that the rest of the cell is checked too."""
    return completed(kind, node, catalog, problems) or {"name": name_in(node) or "?"}


def _dataset(node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any]:
    if not isinstance(node, Fields):
        return _part("source", node, catalog, problems)
    source = node.with_fields({name: value for name, value in node.fields.items() if name not in _BESIDE})
    beside = {name: plain(node.fields[name]) for name in _BESIDE if name in node.fields}
    return _part("source", source, catalog, problems) | beside


def _recipe(tree: Fields, catalog: Catalog, problems: Problems) -> Any:
    node = tree.fields.get("recipe")
    if is_classical(tree.fields.get("model"), catalog):
        if node is not None:
            problems.at_key(tree, "recipe", f'model "{name_in(tree.fields["model"])}" takes no recipe')
        return None
    return {} if node is None else recipe_value(node, catalog, problems)


def recipe_value(node: Node, catalog: Catalog, problems: Problems) -> Any:
    """Return a recipe's settings with every component's options complete."""
    if not isinstance(node, Fields):
        return plain(node) or "null"
    value: dict[str, Any] = {name: plain(entry) for name, entry in node.fields.items()}
    for kind in ("optimizer", "schedule"):
        if kind in node.fields:
            value[kind] = _part(kind, node.fields[kind], catalog, problems)
    augment = node.fields.get("augment")
    if isinstance(augment, Items):
        value["augment"] = _augment(augment, catalog, problems)
    return value


def _augment(node: Items, catalog: Catalog, problems: Problems) -> list[dict[str, Any]]:
    seen: set[str] = set()
    for item in node.items:
        name = name_in(item) or ""
        if name in seen:
            problems.at(item, f'"{name}" is there twice')
        seen |= {name} - {""}
    return [_part("augmentation", item, catalog, problems) for item in node.items]


def refuse_choosing(cell: Cell, tree: Fields, problems: Problems) -> None:
    """Note a recipe that chooses by validation in a cell that fits on the validation images too."""
    if cell.train_on == "train" or cell.recipe is None:
        return
    recipe = tree.fields["recipe"]
    assert isinstance(recipe, Fields)
    if cell.recipe.early_stopping is not None:
        problems.at_key(recipe, "early_stopping", _CHOOSING)
    if cell.recipe.keep == "best":
        problems.at_key(recipe, "keep", _CHOOSING)


def check_recipe(node: Node, catalog: Catalog, problems: Problems) -> None:
    """Note what is wrong with a recipe by itself (`defaults.recipe`, which may reach no experiment)."""
    check_value(Recipe, recipe_value(node, catalog, problems), node, problems)
