from __future__ import annotations

from typing import Any

import pytest

from harness.contracts import Cell
from harness.matrix import flatten
from tests.matrix.conftest import Complain, Load


def experiment(**entries: str) -> str:
    return "experiments:\n  v:\n" + "".join(f"    {name}: {value}\n" for name, value in entries.items())


def names(load: Load, text: str, **given: Any) -> list[str]:
    return [each.name for each in load(text, **given).cells]


def values(load: Load, text: str, *paths: str) -> list[tuple[object, ...]]:
    return [tuple(flatten(each.cell)[path] for path in paths) for each in load(text).cells]


def test_axes_make_every_combination_the_last_one_fastest(load: Load) -> None:
    text = experiment(model="net_a", matrix="{model.width: [1, 2], recipe.epochs: [3, 4]}")
    assert values(load, text, "model.width", "recipe.epochs") == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert names(load, text) == [
        "v width=1 epochs=3 s0",
        "v width=1 epochs=4 s0",
        "v width=2 epochs=3 s0",
        "v width=2 epochs=4 s0",
    ]


def test_coupled_axes_vary_together(load: Load) -> None:
    text = experiment(model="net_a", matrix='{"recipe.optimizer.lr, recipe.epochs": [[0.1, 4], [0.05, 6]]}')
    assert values(load, text, "recipe.optimizer.lr", "recipe.epochs") == [(0.1, 4), (0.05, 6)]
    assert names(load, text) == ["v lr=0.1 epochs=4 s0", "v lr=0.05 epochs=6 s0"]


def test_a_list_outside_matrix_is_a_value_and_no_axis(load: Load) -> None:
    text = experiment(model="net_a", recipe="{schedule: {name: stairs, milestones: [3, 4]}}")
    (placed,) = load(text).cells
    assert placed.cell.recipe is not None
    assert placed.cell.recipe.schedule.options["milestones"] == [3, 4]


def test_an_axis_may_be_any_path_of_a_cell(load: Load) -> None:
    matrix = "{train_on: [train, train+val], dataset.limit.train: [10, 20], recipe.augment.shift.pad: [1, 2]}"
    text = experiment(model="net_a", recipe="{augment: [shift, mirror]}", matrix=matrix)
    found = values(load, text, "train_on", "dataset.limit.train", "recipe.augment.shift.pad")
    assert len(set(found)) == 8
    assert load(text).cells[0].name == "v train_on=train train=10 pad=1 s0"


def test_whole_components_and_models_of_both_kinds_are_axes(load: Load) -> None:
    text = experiment(matrix="{model: [net_a, {name: net_b, depth: 3}, fit_a]}")
    cells = [each.cell for each in load(text).cells]
    assert [each.model.name for each in cells] == ["net_a", "net_b", "fit_a"]
    assert [each.recipe is None for each in cells] == [False, False, True]
    assert names(load, text) == ["v model=net_a s0", "v model=net_b s0", "v model=fit_a s0"]


def test_a_component_is_set_before_its_options_whatever_the_order(load: Load) -> None:
    matrix = "{recipe.optimizer.beta: [0.1, 0.2], recipe.optimizer.name: [step_b]}"
    text = experiment(model="net_a", matrix=matrix)
    assert values(load, text, "recipe.optimizer.name", "recipe.optimizer.beta") == [("step_b", 0.1), ("step_b", 0.2)]


def test_setting_another_name_by_path_drops_the_former_options(load: Load) -> None:
    recipe = "{optimizer: {name: step_a, momentum: 0.5}}"
    text = experiment(model="net_a", recipe=recipe, matrix="{recipe.optimizer.name: [step_a, step_b]}")
    first, second = (flatten(each.cell) for each in load(text).cells)
    assert first["recipe.optimizer.momentum"] == 0.5
    assert "recipe.optimizer.momentum" not in second


def test_values_that_look_alike_are_told_apart_in_names(load: Load) -> None:
    text = experiment(model="net_a", matrix="{recipe.augment: [[], [mirror], [shift], [{shift: {pad: 2}}]]}")
    assert names(load, text) == [
        "v augment=none s0",
        "v augment=mirror s0",
        "v augment=shift s0",
        "v augment=shift(pad=2) s0",
    ]


def test_paths_with_the_same_end_are_named_by_more_of_the_path(load: Load) -> None:
    text = experiment(model="net_a", matrix="{recipe.ema.decay: [0.9], dataset.limit.train: [5], dataset.train: [x]}")
    assert names(load, text) == ["v decay=0.9 limit.train=5 dataset.train=x s0"]


def test_exclude_takes_out_the_cells_that_have_all_its_values(load: Load) -> None:
    text = experiment(
        model="net_a",
        matrix="{model.width: [1, 2], recipe.epochs: [3, 4]}",
        exclude="[{model.width: 1, recipe.epochs: 4}, {model.width: 2, recipe.optimizer: step_a, recipe.epochs: 3}]",
    )
    assert values(load, text, "model.width", "recipe.epochs") == [(1, 3), (2, 4)]


def test_a_combination_that_is_not_valid_may_be_excluded(load: Load) -> None:
    text = experiment(
        model="net_a",
        matrix="{train_on: [train, train+val], recipe.keep: [last, best]}",
        exclude="[{train_on: train+val, recipe.keep: best}]",
    )
    assert len(load(text).cells) == 3


def test_additions_are_whole_cells_with_their_own_name(load: Load) -> None:
    text = experiment(
        model="net_a",
        seeds="[0, 1]",
        matrix="{model.width: [1, 2]}",
        add="[{name: big, model.width: 9, model.norm: none}]",
    )
    study = load(text)
    assert [each.name for each in study.cells][-2:] == ["v big s0", "v big s1"]
    place = study.cells[-1].places[0]
    assert (place.label, place.variant) == ("big", (("model.width", 9), ("model.norm", "none")))


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        (
            {"matrix": "{recipe.epohcs: [1, 2]}"},
            'matrix.yaml:9:14: experiments.v.matrix.recipe.epohcs: there is no path "recipe.epohcs"; '
            'did you mean "recipe.epochs"?',
        ),
        (
            {"matrix": "{recipe.epochs: [1, 0]}"},
            "matrix.yaml:9:33: experiments.v.matrix.recipe.epochs[1]: 0 is not a positive whole number",
        ),
        (
            {"matrix": "{recipe.epochs: 3}"},
            "matrix.yaml:9:29: experiments.v.matrix.recipe.epochs: is not a list of values; an axis is a list",
        ),
        (
            {"matrix": "{recipe.epochs: [1, 1]}"},
            "matrix.yaml:9:33: experiments.v.matrix.recipe.epochs[1]: 1 is there twice",
        ),
        (
            {"matrix": '{"recipe.epochs, model.width": [[1, 2], [3]]}'},
            "matrix.yaml:9:53: experiments.v.matrix.recipe.epochs, model.width[1]: is not a list of 2 values, "
            "one for each of recipe.epochs, model.width",
        ),
        (
            {"matrix": '{"recipe.epochs, model.width": [[1, 2]], recipe.epochs: [3]}'},
            'matrix.yaml:9:54: experiments.v.matrix.recipe.epochs: "recipe.epochs" is on two axes',
        ),
        (
            {"matrix": "{recipe.augment.crop.pad: [1]}"},
            'matrix.yaml:9:14: experiments.v.matrix.recipe.augment.crop.pad: there is nothing below "recipe.augment"',
        ),
        (
            {"matrix": "{seed: [1]}"},
            'matrix.yaml:9:14: experiments.v.matrix.seed: seeds are listed in "seeds:", they are no path',
        ),
        (
            {"matrix": "{model.width: [1]}", "exclude": "[{model.width: 2}]"},
            "matrix.yaml:10:15: experiments.v.exclude[0]: excludes nothing: no variant has these values",
        ),
        (
            {"matrix": "{model.width: [1]}", "exclude": "[{model.widht: 1}]"},
            'matrix.yaml:10:16: experiments.v.exclude[0].model.widht: there is no path "model.widht"; '
            'did you mean "model.width"?',
        ),
        (
            {"matrix": "{model.width: [1]}", "exclude": "[{model.width: 1}]"},
            "matrix.yaml:7:3: experiments.v: has no cell: exclude leaves none",
        ),
        (
            {"add": "[{model.width: 1}]"},
            "matrix.yaml:9:11: experiments.v.add[0].name: is missing: an addition is {name: ..., path: value}",
        ),
        (
            {"add": "[{name: x, model.width: 8}]"},
            'matrix.yaml:9:11: experiments.v.add[0]: "v x" is the same cell as "v" (matrix.yaml:7:3: experiments.v)',
        ),
        (
            {"add": "[{name: x, model.width: 1}, {name: x, model.width: 2}]"},
            'matrix.yaml:9:38: experiments.v.add[1]: another cell is named "v x s0" already '
            "(matrix.yaml:9:11: experiments.v.add[0])",
        ),
    ],
)
def test_a_wrong_axis_is_told_where_it_stands(complain: Complain, entries: dict[str, str], problem: str) -> None:
    assert complain(experiment(model="net_a", **entries))[0] == problem


def test_a_matrix_that_would_never_end_is_refused(complain: Complain) -> None:
    axes = ", ".join(
        f"{path}: [{', '.join(map(str, range(1, 101)))}]"
        for path in ("recipe.epochs", "recipe.batch_size", "model.width")
    )
    (problem,) = complain(experiment(model="net_a", matrix=f"{{{axes}}}"))
    assert "makes more than 20,000 variants" in problem


def test_a_place_names_the_paths_that_tell_a_variant_from_its_siblings(load: Load) -> None:
    cells = load(experiment(model="net_a", matrix="{model.width: [1, 2], recipe.optimizer: [step_a, step_b]}")).cells
    place = cells[1].places[0]
    assert place.variant == (("model.width", 1), ("recipe.optimizer", {"name": "step_b"}))
    assert place.label == "width=1 optimizer=step_b"


def test_a_cell_holds_nothing_of_how_it_was_written(load: Load) -> None:
    axes = load(experiment(model="net_a", matrix="{model.width: [2]}")).cells[0].cell
    plain = load(experiment(model="{name: net_a, width: 2}")).cells[0].cell
    assert isinstance(axes, Cell)
    assert axes == plain
