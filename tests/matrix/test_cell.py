from __future__ import annotations

import pytest
from pydantic import JsonValue

from harness.contracts import Cell
from harness.errors import MatrixError
from harness.matrix import cell_from_yaml, cell_to_yaml, flatten, varied
from harness.plugins import Catalog
from harness.words import short_names, value_text
from tests.matrix.conftest import Load

TEXT = """\
experiments:
  a:
    model: net_a
    recipe: {augment: [{shift: {pad: 2}}, mirror], schedule: {name: stairs, milestones: [3, 4]}, ema: {decay: 0.9}}
  f: {model: fit_a}
"""


@pytest.fixture
def cells(load: Load) -> dict[str, Cell]:
    return {each.places[0].experiment: each.cell for each in load(TEXT).cells}


def test_parameters_are_named_in_the_path_grammar(cells: dict[str, Cell]) -> None:
    flat = flatten(cells["a"])
    assert flat["recipe.optimizer.name"] == "step_a"
    assert flat["recipe.optimizer.lr"] == 0.1
    assert flat["dataset.validation.size"] == 10
    assert flat["recipe.augment"] == "shift, mirror"
    assert flat["recipe.augment.shift.pad"] == 2
    assert flat["recipe.schedule.milestones"] == "[3, 4]"
    assert flat["recipe.ema.decay"] == 0.9
    assert flat["recipe.early_stopping"] is None
    assert flat["seed"] == 0


def test_a_classical_cell_has_no_recipe_parameters(cells: dict[str, Cell]) -> None:
    assert not [name for name in flatten(cells["f"]) if name.startswith("recipe")]


def test_every_parameter_but_the_seed_can_be_set_by_its_name(cells: dict[str, Cell], catalog: Catalog) -> None:
    """One grammar: what `flatten` writes, axes, searches and --set understand."""
    flat = flatten(cells["a"])
    lists = {"recipe.augment", "recipe.freeze", "recipe.schedule.milestones", "seed"}
    empty = {name for name, value in flat.items() if value is None}
    for name in flat.keys() - lists - empty:
        assert varied(cells["a"], {name: flat[name]}, catalog) == cells["a"]


def test_a_cell_survives_yaml(cells: dict[str, Cell], catalog: Catalog) -> None:
    odd: dict[str, JsonValue] = {"model.norm": "none", "recipe.optimizer.lr": 1e-5, "dataset.path": "/a b: c#d/1e3"}
    for cell in (cells["a"], cells["f"], varied(cells["a"], odd, catalog)):
        assert cell_from_yaml(cell_to_yaml(cell)) == cell


def test_text_that_is_no_yaml_is_a_matrix_error() -> None:
    with pytest.raises(MatrixError, match=r"cell\.yaml:1"):
        cell_from_yaml("a: b: c")


def test_varied_refuses_a_path_that_the_cell_has_not(cells: dict[str, Cell], catalog: Catalog) -> None:
    with pytest.raises(MatrixError, match=r'no path "model\.widht"; did you mean "model\.width"'):
        varied(cells["a"], {"model.widht": 3}, catalog)
    with pytest.raises(MatrixError, match="takes no recipe"):
        varied(cells["f"], {"recipe.epochs": 3}, catalog)


def test_names_are_the_shortest_ends_that_tell_paths_apart() -> None:
    assert short_names(["recipe.optimizer.lr"]) == ["lr"]
    assert short_names(["model.width", "dataset.width"]) == ["model.width", "dataset.width"]
    assert short_names(["recipe.optimizer.name", "recipe.schedule.name"]) == ["optimizer", "schedule"]
    assert short_names(["recipe.optimizer", "recipe.optimizer.name"]) == ["optimizer", "name"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (0.05, "0.05"),
        (1e-5, "1e-05"),
        ([], "none"),
        (["a", {"name": "b", "c": 1}], "a+b"),
        ({"epochs": 1, "minutes": None}, "(epochs=1,minutes=none)"),
    ],
)
def test_values_are_short_in_names(value: object, text: str) -> None:
    assert value_text(value) == text  # type: ignore[arg-type]
