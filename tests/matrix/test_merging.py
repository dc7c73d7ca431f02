from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Cell, Recipe
from harness.errors import MatrixError
from harness.matrix import load_study
from harness.plugins import Catalog
from tests.matrix.conftest import HEAD, Load


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


def test_extends_merges_a_file_under_this_one(load: Load, tmp_path: Path) -> None:
    base = """\
version: 1
study: base
dataset: dots
seeds: [0]
defaults: {recipe: {epochs: 9, optimizer: {name: step_a, momentum: 0.5}, schedule: flat}}
experiments: {a: {model: net_a}}
budget: {hours: 1}
"""
    (tmp_path / "base.yaml").write_text(base)
    text = (
        "extends: base.yaml\nstudy: mine\ndefaults: {recipe: {optimizer: step_b}}\nexperiments: {b: {model: fit_a}}\n"
    )
    study = load(text, head="")
    assert study.name == "mine"
    assert [each.places[0].experiment for each in study.cells] == ["a", "b"]
    recipe = recipe_of(study.cells[0].cell)
    assert (recipe.epochs, recipe.optimizer.name) == (9, "step_b")
    assert "momentum" not in recipe.optimizer.options
    assert study.budget.hours == 1


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
