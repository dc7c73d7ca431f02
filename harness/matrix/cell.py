"""A tree of settings -> a complete, frozen cell, in which every default stands -> its settings by path, and as YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from ruamel.yaml import YAML

from harness.contracts import Cell, Recipe
from harness.contracts.cell import LONGEST_SET_NAME, is_set_name
from harness.errors import InputError
from harness.matrix.checking import check_value
from harness.matrix.nodes import Fields, Items, Mark, Node, Problems, Scalar, child, name_in, plain, shown
from harness.matrix.yaml_text import parse
from harness.plugins import Catalog

_Flat: TypeAlias = str | int | float | bool | None
PATH_OPTIONS: Final = frozenset({"path", "train", "val", "test"})
"""Options of a data set that name files; written relative to the file that they stand in."""
IN_NO_PATH: Final = frozenset("\t\n\r")
"""What double quotes in YAML make of a backslash and a letter of a path."""
FILE_OPTIONS: Final = frozenset({"weights"})
"""Options of a model that may name a file, whose content is then part of a cell's key."""
_BESIDE: Final = ("validation", "limit", "groups")
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
        _refuse_choosing(cell, tree, found)
    problems.take(found)
    return None if found else cell


def _dataset(node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any]:
    if not isinstance(node, Fields):
        return _part("source", node, catalog, problems)
    for name in PATH_OPTIONS & node.fields.keys():
        given = node.fields[name]
        for each in given.fields.values() if isinstance(given, Fields) else (given,):
            _refuse_escaped(each, problems)
    source = node.with_fields({name: value for name, value in node.fields.items() if name not in _BESIDE})
    beside = {name: plain(node.fields[name]) for name in _BESIDE if name in node.fields}
    _refuse_split(node, catalog, problems)
    return _source(source, catalog, problems) | beside


def _source(node: Fields, catalog: Catalog, problems: Problems) -> dict[str, Any]:
    """Return a complete source; one with several test sets is checked, and completed, with each of them alone."""
    tests = node.fields.get("test")
    if not isinstance(tests, Fields):
        return _part("source", node, catalog, problems)
    if not tests.fields:
        problems.at(tests, "names no test set; give a path, or {NAME: path, ...}")
    for name, path in tests.fields.items():
        if not is_set_name(name):
            rule = f"a small letter, then small letters, digits and _, at most {LONGEST_SET_NAME}, not tta at the end"
            problems.at_key(tests, name, f"is no name of a test set: {rule}")
        if not isinstance(path, Scalar) or not isinstance(path.value, str):
            problems.at(path, f"{shown(plain(path))} is not the path of a test set")
    alone = {
        name: _part("source", node.with_fields({**node.fields, "test": path}), catalog, problems)
        for name, path in tests.fields.items()
    }
    first = next(iter(alone.values()), {"name": name_in(node) or "?"})
    return first | {"test": {name: each.get("test") for name, each in alone.items()}}


def _refuse_split(node: Fields, catalog: Catalog, problems: Problems) -> None:
    """Note that a data set which has no validation split of its own is asked for it."""
    validation: Node | None = node.fields.get("validation")
    source: Any = declared("source", name_in(node), catalog)
    split = validation.fields.get("split") if isinstance(validation, Fields) else None
    if split is not None and source is not None and plain(split) == "val" and "val" not in source.splits:
        text = f'"{name_in(node)}" has no validation split of its own; give size or fraction, and one is carved'
        problems.at(split, text)


def _refuse_escaped(node: Node, problems: Problems) -> None:
    """Note a path in which double quotes have made a tab or an end of line of a backslash and a letter."""
    text = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
    if found := next((each for each in text if each in IN_NO_PATH), ""):
        problems.at(node, f"has {found!a}, which is in no path; in single quotes a backslash stands for itself")


def _recipe(tree: Fields, catalog: Catalog, problems: Problems) -> Any:
    node = tree.fields.get("recipe")
    if is_classical(tree.fields.get("model"), catalog):
        if node is not None:
            problems.at_key(tree, "recipe", f'model "{name_in(tree.fields["model"])}" takes no recipe')
        return None
    return {} if node is None else _recipe_value(node, catalog, problems)


def _recipe_value(node: Node, catalog: Catalog, problems: Problems) -> Any:
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


def _refuse_choosing(cell: Cell, tree: Fields, problems: Problems) -> None:
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
    check_value(Recipe, _recipe_value(node, catalog, problems), node, problems)


def _part(kind: str, node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any]:
    """Return a complete component, or a stand-in so that the rest of the cell is checked too."""
    return _completed(kind, node, catalog, problems) or {"name": name_in(node) or "?"}


def _completed(kind: str, node: Node, catalog: Catalog, problems: Problems) -> dict[str, Any] | None:
    """Return `{name, every option}` for a component's mapping, or None with its problems noted."""
    component = _named(kind, node, catalog, problems)
    if component is None or not isinstance(node, Fields):
        return None
    name, model = component
    given = node.with_fields({key: value for key, value in node.fields.items() if key != "name"})
    options = check_value(model, plain(given), given, problems, f"unknown option of {name}")
    return None if options is None else {"name": name, **options.model_dump(mode="json")}


def _named(kind: str, node: Node, catalog: Catalog, problems: Problems) -> tuple[str, type[BaseModel]] | None:
    if not isinstance(node, Fields):
        problems.at(node, f"{shown(plain(node))} is not the name of {_a(kind)}, nor a mapping with one")
        return None
    named = node.fields.get("name")
    if named is None:
        problems.add(node.mark, child(node.path, "name"), "is missing")
        return None
    if not isinstance(named, Scalar) or not isinstance(named.value, str):
        problems.at(named, f"{shown(plain(named))} is not the name of {_a(kind)}")
        return None
    try:
        model = catalog.declare(kind, named.value)
    except InputError as error:
        problems.at(named, str(error))
        return None
    lacking: frozenset[str] = getattr(model, "__abstractmethods__", frozenset())
    if lacking:
        problems.at(named, f'{kind} "{named.value}" lacks the method {", ".join(sorted(lacking))}')
    return None if lacking else (named.value, model)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def declared(kind: str, name: str | None, catalog: Catalog) -> type[BaseModel] | None:
    """Return a component's options as a model, or None when there is no such component."""
    if name is None or name not in catalog.names(kind):
        return None
    return catalog.declare(kind, name)


def is_classical(model: Node | None, catalog: Catalog) -> bool:
    """Whether a `model:` names one that fits itself and so takes no recipe."""
    name = name_in(model)
    known = name is not None and name in catalog.names("model")
    return known and catalog.find("model", str(name)).base == "ClassicalModel"


def flatten(cell: Cell) -> dict[str, _Flat]:
    """Return a cell's settings by path, in the grammar of axes, searches and `--set`.

    A list of components is given by its names, `recipe.augment` = "crop, flip", and each one's
    options below it, `recipe.augment.crop.pad`; any other list is JSON text.
    """
    return dict(_flat("", cell.model_dump(mode="json")))


def _flat(path: str, value: Any) -> Iterator[tuple[str, _Flat]]:
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _flat(f"{path}.{name}" if path else name, entry)
    elif isinstance(value, list):
        yield from _flat_list(path, value)
    elif value is not None or path != "recipe":
        yield path, value


def _flat_list(path: str, items: list[Any]) -> Iterator[tuple[str, _Flat]]:
    if not all(isinstance(item, Mapping) and "name" in item for item in items):
        yield path, json.dumps(items)
        return
    yield path, ", ".join(item["name"] for item in items)
    for item in items:
        options = {name: value for name, value in item.items() if name != "name"}
        yield from _flat(f"{path}.{item['name']}", options)


def cell_to_yaml(cell: Cell) -> str:
    """Return a cell as YAML, complete with defaults."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.representer.sort_base_mapping_type_on_output = False
    yaml.width = 1_000_000
    stream = StringIO()
    yaml.dump(cell.model_dump(mode="json"), stream)
    return stream.getvalue()


def cell_from_yaml(text: str) -> Cell:
    """Return the cell that `cell_to_yaml` wrote.

    Raises:
        MatrixError: the text is not YAML.
        pydantic.ValidationError: it is not a cell.
    """
    problems = Problems()
    node = parse(text, Mark(0, 1, 1, "cell.yaml"), problems)
    problems.raise_any()
    return Cell.model_validate_json(json.dumps(plain(node)), strict=True)
