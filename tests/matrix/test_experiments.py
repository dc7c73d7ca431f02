"""The layers under a cell, and a cell with other values at some paths, as a search makes its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Cell, Recipe
from harness.errors import MatrixError
from harness.matrix import cell_key, flatten, load_study, varied
from harness.plugins import Catalog
from tests.matrix.conftest import HEAD, Complain, Load

START = "seeds: [7]\nexperiments:\n  a:\n    model: {name: net_a, width: 3}\n    recipe:\n      optimizer: {lr: 0.3}\n"


def only_cell(load: Load, text: str, **given: Any) -> Cell:
    (placed,) = load(text, **given).cells
    return placed.cell


def recipe_of(cell: Cell) -> Recipe:
    assert cell.recipe is not None
    return cell.recipe


def test_defaults_lie_under_an_experiment_key_by_key(load: Load) -> None:
    cell = only_cell(load, "experiments: {a: {model: net_a, recipe: {batch_size: 7, optimizer: {momentum: 0.5}}}}\n")
    recipe = recipe_of(cell)
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer.name) == (5, 7, "step_a")
    assert recipe.optimizer.options["momentum"] == 0.5


def test_another_component_drops_the_options_of_the_one_it_replaces(load: Load) -> None:
    head = "version: 1\nstudy: s\ndataset: dots\ndefaults: {recipe: {optimizer: {name: step_a, momentum: 0.5}}}\n"
    for optimizer in ("{name: step_b, beta: 0.7}", "step_b"):
        text = f"experiments: {{a: {{model: net_a, recipe: {{schedule: flat, optimizer: {optimizer}}}}}}}\n"
        assert "momentum" not in recipe_of(only_cell(load, text, head=head)).optimizer.options


def test_the_same_component_keeps_the_options_that_are_not_given(load: Load) -> None:
    head = "version: 1\nstudy: s\ndataset: dots\ndefaults: {model: {name: net_a, width: 3, norm: none}}\n"
    cell = only_cell(load, "experiments: {a: {model: {name: net_a, width: 4}}}\n", head=head)
    assert cell.model.options == {"width": 4, "dropout": 0.0, "norm": "none"}


def test_options_are_complete_and_of_their_declared_type(load: Load) -> None:
    cell = only_cell(load, "experiments: {a: {model: {name: net_a, dropout: 0}}}\n")
    dropout = cell.model.options["dropout"]
    assert type(dropout) is float
    assert set(cell.model.options) == {"width", "dropout", "norm"}


def test_a_recipe_in_defaults_reaches_network_models_only(load: Load) -> None:
    cells = {
        each.places[0].experiment: each.cell
        for each in load("experiments: {a: {model: net_a}, f: {model: fit_a}}\n").cells
    }
    assert recipe_of(cells["a"]).epochs == 5
    assert cells["f"].recipe is None


def test_a_network_without_any_recipe_gets_the_default_one(load: Load) -> None:
    head = "version: 1\nstudy: s\ndataset: dots\n"
    recipe = recipe_of(only_cell(load, "experiments: {a: {model: net_a}}\n", head=head))
    assert recipe.epochs == Recipe().epochs
    assert recipe.optimizer.name == "sgd"
    assert "momentum" in recipe.optimizer.options


@pytest.mark.parametrize(
    "text", ["shift", "{shift: {}}", "{shift: null}", "{shift: {pad: 4}}", "{name: shift, pad: 4}"]
)
def test_an_augmentation_has_three_ways_to_be_written(load: Load, text: str) -> None:
    recipe = recipe_of(only_cell(load, f"experiments: {{a: {{model: net_a, recipe: {{augment: [{text}]}}}}}}\n"))
    assert [each.model_dump() for each in recipe.augment] == [{"name": "shift", "pad": 4, "mode": "zeros"}]


def test_seeds_of_an_experiment_win_over_those_of_the_study(load: Load) -> None:
    study = load(
        "seeds: [4, 5]\nexperiments: {a: {model: net_a}, b: {model: fit_a, seeds: [9]}, c: {model: net_b, seeds: 2}}\n"
    )
    found = [(each.places[0].experiment, each.cell.seed) for each in study.cells]
    assert found == [("a", 4), ("a", 5), ("b", 9), ("c", 0), ("c", 1)]


def test_the_data_set_of_an_experiment_is_merged_over_the_studys(load: Load) -> None:
    cell = only_cell(
        load, "experiments: {a: {model: fit_a, dataset: {validation: {fraction: 0.2}, limit: {train: 9}}}}\n"
    )
    assert cell.dataset.name == "dots"
    assert (cell.dataset.validation.size, cell.dataset.validation.fraction) == (None, 0.2)
    assert cell.dataset.limit is not None


def test_data_paths_are_relative_to_the_file_that_they_are_written_in(load: Load, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    base = "version: 1\nstudy: s\ndataset: {name: dots, path: images, train: ../t}\nexperiments: {a: {model: fit_a}}\n"
    (tmp_path / "sub" / "base.yaml").write_text(base)
    cell = only_cell(load, "extends: sub/base.yaml\ndefaults: {dataset: {test: here}}\n", head="")
    found = {name: cell.dataset.options[name] for name in ("path", "train", "test")}
    assert found == {"path": str(tmp_path / "sub/images"), "train": str(tmp_path / "t"), "test": str(tmp_path / "here")}


def test_a_file_of_groups_beside_the_matrix_file_is_found_and_a_column_is_left_alone(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "sessions.csv").write_text("")
    for written, wanted in (("sessions.csv", str(tmp_path / "sessions.csv")), ("session", "session")):
        text = f"experiments: {{a: {{model: fit_a, dataset: {{validation: {{groups: {written}}}}}}}}}\n"
        assert only_cell(load, text).dataset.validation.groups == wanted


def test_an_experiment_may_be_empty_where_defaults_say_all(load: Load) -> None:
    head = "version: 1\nstudy: s\ndataset: dots\ndefaults: {model: fit_a}\n"
    assert only_cell(load, "experiments:\n  a:\n", head=head).model.name == "fit_a"


def test_a_component_that_lacks_a_method_is_named_where_it_is_used(load: Load, plugins: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    text = "from harness.contracts import NetworkModel\n\nclass Unfinished(NetworkModel):\n    width: int = 1\n"
    (tmp_path / "own" / "unfinished.py").write_text(text)
    load("experiments:\n  a: {model: net_a}\n")
    Path("matrix.yaml").write_text(HEAD + "experiments:\n  a: {model: unfinished}\n")
    with pytest.raises(MatrixError) as error:
        load_study(Path("matrix.yaml"), Catalog([plugins, tmp_path / "own"]))
    assert str(error.value) == 'matrix.yaml:7:14: experiments.a.model: model "unfinished" lacks the method network'


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


def test_a_path_that_double_quotes_have_spoiled_is_told(complain: Complain) -> None:
    text = 'experiments:\n  a: {model: net_a, dataset: {name: dots, path: "C:\\temp"}}\n'
    (line,) = complain(text)
    assert line == (
        "matrix.yaml:7:49: experiments.a.dataset.path: has '\\t', which is in no path; "
        "in single quotes a backslash stands for itself"
    )
