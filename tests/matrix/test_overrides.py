from __future__ import annotations

import pytest

from harness.matrix import flatten
from tests.matrix.conftest import Complain, Load

TEXT = """\
seeds: [0, 1]
experiments:
  f: {model: fit_a}
  a: {model: net_a}
  b: {model: net_b, matrix: {"recipe.optimizer.lr, recipe.epochs": [[0.1, 7], [0.2, 8]]}}
"""


def test_set_reaches_every_experiment_that_has_the_path(load: Load) -> None:
    cells = [flatten(each.cell) for each in load(TEXT, ["recipe.epochs=1", "seeds=[5]"]).cells]
    assert [cell.get("recipe.epochs") for cell in cells] == [None, 1, 1, 1]
    assert {cell["seed"] for cell in cells} == {5}


def test_set_wins_over_an_axis_and_leaves_the_others(load: Load) -> None:
    names = [each.name for each in load(TEXT, ["recipe.epochs=1", "seeds=1"]).cells]
    assert names == ["f s0", "a s0", "b lr=0.1 s0", "b lr=0.2 s0"]


def test_rows_that_set_makes_equal_keep_the_place_of_the_first(load: Load) -> None:
    axis = '"model.width, recipe.epochs": [[1, 7], [2, 8], [1, 9]]'
    names = [
        each.name
        for each in load(f"experiments: {{a: {{model: net_a, matrix: {{{axis}}}}}}}\n", ["recipe.epochs=5"]).cells
    ]
    assert names == ["a width=1 s0", "a width=2 s0"]


def test_an_axis_that_is_set_whole_collapses_to_one_cell(load: Load) -> None:
    study = load("experiments: {a: {model: net_a, matrix: {model.width: [1, 2]}, exclude: []}}\n", ["model.width=3"])
    assert [each.name for each in study.cells] == ["a s0"]


def test_experiments_that_set_makes_equal_become_one_cell_with_two_places(load: Load) -> None:
    text = "experiments: {a: {model: net_a}, b: {model: {name: net_a, width: 3}}}\n"
    (placed,) = load(text, ["model.width=5"]).cells
    assert [place.experiment for place in placed.places] == ["a", "b"]


def test_a_switch_of_an_ablation_wins_over_set(load: Load) -> None:
    text = "experiments: {a: {model: net_a}}\nablations: {x: {base: a, switch: {n: {model.norm: none}}}}\n"
    study = load(text, ["model.norm=batch", "recipe.epochs=1"])
    assert [flatten(each.cell)["model.norm"] for each in study.cells] == ["batch", "none"]
    assert [flatten(each.cell)["recipe.epochs"] for each in study.cells] == [1, 1]


def test_exclude_may_match_nothing_once_set_has_changed_its_path(load: Load) -> None:
    text = "experiments: {a: {model: net_a, matrix: {model.width: [1, 2]}, exclude: [{model.width: 2}]}}\n"
    assert len(load(text, ["model.width=9"]).cells) == 1


def test_values_of_set_are_yaml(load: Load) -> None:
    given = ["recipe.optimizer={name: step_b, beta: 1e-1}", "recipe.augment=[mirror, {shift: {pad: 2}}]"]
    (placed,) = load("experiments: {a: {model: net_a}}\n", given).cells
    cell = flatten(placed.cell)
    assert (cell["recipe.optimizer.name"], cell["recipe.optimizer.beta"]) == ("step_b", 0.1)
    assert cell["recipe.augment.shift.pad"] == 2


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "recipe.epohcs=1",
            '--set recipe.epohcs=1: there is no path "recipe.epohcs"; did you mean "recipe.epochs"?',
        ),
        ("recipe.epochs=0", "--set recipe.epochs=0: 0 is not a positive whole number"),
        ("recipe.epochs", "--set recipe.epochs: is not of the form PATH=VALUE"),
        ("recipe.augment=[", "--set recipe.augment=[: is not YAML"),
        ("seeds=[-1]", "--set seeds=[-1]: [0]: -1 is not a seed: a whole number of at least 0"),
        ("model=net_c", '--set model=net_c: there is no model "net_c"; did you mean'),
    ],
)
def test_a_wrong_set_is_told_as_it_was_given(complain: Complain, override: str, problem: str) -> None:
    (found,) = complain(TEXT, [override])
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a", ["a s0", "a s1"]),
        ("b*s1", ["b lr=0.1 epochs=7 s1", "b lr=0.2 epochs=8 s1"]),
        ("f s0", ["f s0"]),
        ("* s0", ["f s0", "a s0", "b lr=0.1 epochs=7 s0", "b lr=0.2 epochs=8 s0"]),
    ],
)
def test_only_keeps_what_a_glob_matches_by_experiment_or_run(load: Load, pattern: str, names: list[str]) -> None:
    study = load(TEXT, only=pattern)
    assert [each.name for each in study.cells] == names
    assert study.partial


def test_only_given_again_keeps_what_either_matches(load: Load) -> None:
    study = load(TEXT, only=["f s0", "a s1"])
    assert [each.name for each in study.cells] == ["f s0", "a s1"]


def test_only_given_again_must_match_each_time(complain: Complain) -> None:
    assert complain(TEXT, only=["f", "g"]) == ["--only g: matches nothing; there are f, a, b"]


def test_only_that_matches_everything_leaves_the_study_whole(load: Load) -> None:
    assert not load(TEXT, only="*").partial


def test_only_that_matches_nothing_lists_what_there_is(complain: Complain) -> None:
    assert complain(TEXT, only="resnet*") == ["--only resnet*: matches nothing; there are f, a, b"]
