"""A cell with other values at some paths, as a search makes its trials."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts import Cell
from harness.errors import MatrixError
from harness.matrix import cell_key, flatten, varied
from harness.plugins import Catalog
from tests.matrix.conftest import Load

START = "seeds: [7]\nexperiments:\n  a:\n    model: {name: net_a, width: 3}\n    recipe:\n      optimizer: {lr: 0.3}\n"


@pytest.fixture
def start(load: Load) -> Cell:
    (placed,) = load(START).cells
    return placed.cell


def changed(before: Cell, after: Cell) -> dict[str, Any]:
    """Return the paths that are new or other than before; None for those that are gone."""
    old, new = flatten(before), flatten(after)
    return {
        path: new.get(path) for path in [*old, *new] if (path in old, old.get(path)) != (path in new, new.get(path))
    }


def test_only_the_given_paths_change(start: Cell, catalog: Catalog) -> None:
    values: dict[str, Any] = {"recipe.optimizer.lr": 0.01, "model.dropout": 0.2, "recipe.epochs": 9}
    assert changed(start, varied(start, values, catalog)) == values
    assert varied(start, {}, catalog) == start


def test_the_seed_stays(start: Cell, catalog: Catalog) -> None:
    assert varied(start, {"recipe.epochs": 2}, catalog).seed == 7


def test_a_list_of_augmentations_is_one_choice(start: Cell, catalog: Catalog) -> None:
    cell = varied(start, {"recipe.augment": [{"shift": {"pad": 2}}, "mirror"]}, catalog)
    assert cell.recipe is not None
    assert [each.model_dump() for each in cell.recipe.augment] == [
        {"name": "shift", "pad": 2, "mode": "zeros"},
        {"name": "mirror"},
    ]
    assert varied(cell, {"recipe.augment": []}, catalog) == start


def test_an_option_goes_to_the_component_of_a_list_chosen_with_it(start: Cell, catalog: Catalog) -> None:
    values: dict[str, Any] = {"recipe.augment.shift.pad": 3, "recipe.augment": ["mirror", "shift"]}
    found = flatten(varied(start, values, catalog))
    assert (found["recipe.augment"], found["recipe.augment.shift.pad"]) == ("mirror, shift", 3)


def test_a_model_is_chosen_whole_with_its_options(start: Cell, catalog: Catalog) -> None:
    other = varied(start, {"model": {"name": "net_b", "depth": 5}}, catalog)
    assert changed(start, other) == {
        "model.name": "net_b",
        "model.depth": 5,
        "model.width": None,
        "model.dropout": None,
        "model.norm": None,
    }
    assert varied(start, {"model": "net_b"}, catalog).model.options == {"depth": 2}


def test_a_model_chosen_by_the_same_name_has_the_defaults_of_what_is_not_said(start: Cell, catalog: Catalog) -> None:
    assert varied(start, {"model": "net_a"}, catalog).model.options["width"] == 8


def test_an_optimizer_and_an_option_that_it_alone_has_vary_together(start: Cell, catalog: Catalog) -> None:
    values: dict[str, Any] = {"recipe.optimizer.beta": 0.5, "recipe.optimizer.name": "step_b"}
    cell = varied(start, values, catalog)
    assert cell.recipe is not None
    assert cell.recipe.optimizer.name == "step_b"
    assert {"lr": 0.001, "beta": 0.5}.items() <= cell.recipe.optimizer.options.items()
    assert "momentum" not in cell.recipe.optimizer.options


def test_the_name_that_it_has_already_keeps_its_options(start: Cell, catalog: Catalog) -> None:
    assert varied(start, {"recipe.optimizer.name": "step_a"}, catalog) == start


def test_an_option_of_what_is_switched_off_switches_it_on(start: Cell, catalog: Catalog) -> None:
    cell = varied(start, {"recipe.early_stopping.patience": 4}, catalog)
    assert cell.recipe is not None and cell.recipe.early_stopping is not None
    assert cell.recipe.early_stopping.patience == 4
    assert varied(cell, {"recipe.early_stopping": None}, catalog) == start


def test_a_model_without_a_recipe_varies_too(load: Load, catalog: Catalog) -> None:
    (placed,) = load("experiments: {f: {model: fit_a}}\n").cells
    cell = varied(placed.cell, {"model.strength": 0.5}, catalog)
    assert (cell.recipe, cell.model.options) == (None, {"strength": 0.5})


def test_a_varied_cell_is_the_cell_that_a_matrix_file_makes_of_the_same_values(
    start: Cell, load: Load, catalog: Catalog
) -> None:
    axes = "    matrix: {recipe.optimizer.name: [step_b], recipe.optimizer.beta: [0.5], recipe.augment: [[mirror]]}\n"
    (placed,) = load(START + axes).cells
    values: dict[str, Any] = {
        "recipe.optimizer.name": "step_b",
        "recipe.optimizer.beta": 0.5,
        "recipe.augment": ["mirror"],
    }
    assert cell_key(varied(start, values, catalog), "x", catalog) == cell_key(placed.cell, "x", catalog)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"recipe.optimizer.beta": 0.5}, 'there is no path "recipe.optimizer.beta"'),
        ({"recipe.epochs": 0}, "0 is not a positive whole number"),
        ({"recipe.epochs": 2.0}, "2.0 is not a whole number"),
        ({"model": "fit_a"}, 'model "fit_a" takes no recipe'),
        ({"recipe.augment": ["mirror", "mirror"]}, '"mirror" is there twice'),
    ],
)
def test_values_that_make_no_cell_are_told(start: Cell, catalog: Catalog, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(MatrixError, match=r"^values: ") as error:
        varied(start, values, catalog)
    assert problem in str(error.value)


def test_each_value_that_a_space_lets_through_makes_a_cell(load: Load, catalog: Catalog) -> None:
    tune = """\
tune:
  a:
    trials: 9
    space:
      model: {choices: [net_a, {name: net_a, width: 5}, {name: net_b, depth: 4}]}
      model.dropout: {low: 0, high: 0.5, when: {model: net_a}}
      recipe.optimizer.name: {choices: [step_a, step_b]}
      recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer.name: step_b}}
      recipe.augment: {choices: [[], [mirror], [{shift: {pad: 2}}, mirror]]}
"""
    study = load(START + tune).tune["a"]
    points: list[dict[str, Any]] = [
        {"model": "net_a", "model.dropout": 0.5, "recipe.optimizer.name": "step_a", "recipe.augment": []},
        {
            "model": {"name": "net_b", "depth": 4},
            "recipe.optimizer.name": "step_b",
            "recipe.optimizer.beta": 0.9,
            "recipe.augment": [{"shift": {"pad": 2}}, "mirror"],
        },
    ]
    assert all(set(point) <= set(study.space) for point in points)
    assert [varied(study.start, point, catalog).model.name for point in points] == ["net_a", "net_b"]
