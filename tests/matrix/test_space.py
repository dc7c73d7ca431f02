"""The space of a tuning study: dimensions, and the conditions on which they exist."""

from __future__ import annotations

import pytest

from harness.contracts import Choices, Range
from tests.matrix.conftest import TUNED, Complain, Load


def space(load: Load, dimensions: str) -> dict[str, Range | Choices]:
    return dict(load(TUNED + f"    space: {{{dimensions}}}\n").tune["a"].space)


def problems(complain: Complain, dimensions: str) -> list[str]:
    """Return the problems of a space whose dimensions begin at 13:13, without file and section."""
    found = complain(TUNED + f"    space: {{{dimensions}}}\n")
    return [each.replace("matrix.yaml:13:", "").replace(": tune.a.space.", " ") for each in found]


@pytest.mark.parametrize(
    ("dimension", "wanted"),
    [
        ("recipe.epochs: {low: 2, high: 9}", Range(low=2, high=9, int=True)),
        ("recipe.epochs: {low: 1, high: 64, log: true}", Range(low=1, high=64, log=True, int=True)),
        ("recipe.epochs: {low: 2, high: 8, step: 2}", Range(low=2, high=8, step=2, int=True)),
        ("model.dropout: {low: 0, high: 0.5}", Range(low=0, high=0.5)),
        ("model.dropout: {low: 0.0, high: 0.3, step: 0.1}", Range(low=0, high=0.3, step=0.1)),
        ("recipe.optimizer.lr: {low: 1, high: 4}", Range(low=1, high=4)),
        ("recipe.optimizer.lr: {low: 0.9, high: 1.9}", Range(low=0.9, high=1.9)),
        ("recipe.optimizer.lr: {low: 1, high: 4, int: true}", Range(low=1, high=4, int=True)),
        ("recipe.early_stopping.patience: {low: 1, high: 4}", Range(low=1, high=4, int=True)),
    ],
)
def test_a_range_is_one_of_whole_numbers_where_the_path_takes_nothing_else(
    load: Load, dimension: str, wanted: Range
) -> None:
    (found,) = space(load, dimension).values()
    assert found == wanted


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "12:5: tune.a.space: is missing"),
        ("    space:\n", "13:5: tune.a.space: is not a mapping from paths to ranges or choices: there is nothing to"),
        ("    space: {}\n", "13:12: tune.a.space: is not a mapping from paths to ranges or choices: there is nothing"),
        ("    space: [model.dropout]\n", "13:12: tune.a.space: is not a mapping from paths to ranges or choices"),
    ],
)
def test_an_empty_space_is_told(complain: Complain, written: str, problem: str) -> None:
    (found,) = complain(TUNED + written)
    assert found.startswith(f"matrix.yaml:{problem}")


@pytest.mark.parametrize(
    ("dimension", "problem"),
    [
        ("recipe.epochs: {low: 3, high: 2}", "28 recipe.epochs: low 3 is not below high 2"),
        ("recipe.epochs: {low: 3, high: 3}", "28 recipe.epochs: low 3 is not below high 3"),
        (
            "recipe.optimizer.lr: {low: 0, high: 1, log: true}",
            "34 recipe.optimizer.lr: a logarithmic scale needs a positive low, not 0",
        ),
        (
            "recipe.optimizer.lr: {low: 0.1, high: 1, log: true, step: 0.1}",
            "34 recipe.optimizer.lr: log and step do not go together",
        ),
        ("recipe.epochs: {low: 1, high: 4, step: 8}", "28 recipe.epochs: the step is wider than the range"),
        ("recipe.epochs: {low: 1, high: 4, step: 0}", "52 recipe.epochs.step: 0 is not a positive number"),
        (
            "recipe.epochs: {low: 1, high: 4, step: 0.5}",
            "28 recipe.epochs: the path takes whole numbers only, and the step 0.5 is none",
        ),
        (
            "recipe.epochs: {low: 1, high: 10, step: 2}",
            "28 recipe.epochs: no number of steps of 2 leads from low 1 to high 10; 9 would do",
        ),
        (
            "recipe.optimizer.lr: {low: 0.1, high: 4, int: true}",
            "34 recipe.optimizer.lr: int: true needs whole numbers",
        ),
        ("model.dropout: {low: .nan, high: 0.5}", '34 model.dropout.low: ".nan" is not a number'),
        ("model.dropout: {low: 0, high: .inf}", '43 model.dropout.high: ".inf" is not a number'),
        ("model.dropout: {low: 0, high: 1e999}", '43 model.dropout.high: "1e999" is not a number'),
        (
            f"recipe.optimizer.lr: {{low: 1, high: 1{'0' * 310}}}",
            f'49 recipe.optimizer.lr.high: "1{"0" * 199}…" is not a number',
        ),
        (
            "recipe.optimizer.lr: {low: -1.0e308, high: 1.0e308}",
            "34 recipe.optimizer.lr: low, high and step must be fin",
        ),
        (
            "model.dropout: {choices: [0.1]}",
            "38 model.dropout.choices: holds fewer than two choices: there is nothing to search",
        ),
        (
            "model.dropout: {choices: []}",
            "38 model.dropout.choices: holds fewer than two choices: there is nothing to search",
        ),
        (
            "model.dropout: {choices: [0.1, 0.2, 0.1]}",
            "49 model.dropout.choices[2]: 0.1 makes the same cell as an earlier choice does",
        ),
        (
            "model: {choices: [net_a, {name: net_a, width: 8}]}",
            "38 model.choices[1]: net_a(width=8) makes the same cell as an earlier choice does",
        ),
        ("model.dropout: {low: 0.1}", "28 model.dropout.high: is missing"),
        ("model.dropout: 0.1", "28 model.dropout: 0.1 is neither {low: ..., high: ...} nor {choices: [...]}"),
        ("model.dropout: {low: 0.1, hihg: 0.2, high: 1}", '39 model.dropout.hihg: unknown key; did you mean "high"?'),
        (
            "model.dropuot: {low: 0.1, high: 0.2}",
            '13 model.dropuot: there is no path "model.dropuot"; did you mean "model.dropout"?',
        ),
        (
            "recipe.optimizer.beta: {low: 0, high: 0.5}",
            '13 recipe.optimizer.beta: there is no path "recipe.optimizer.beta"; valid:',
        ),
        ("model.dropout: {low: 0.5, high: 1.5}", "45 model.dropout.high: 1.5 is not a number below 1"),
        ("recipe.channels_last: {low: 0, high: true}", "50 recipe.channels_last.high: true is not a number"),
        ("model.norm: {choices: [batch, nine]}", '43 model.norm.choices[1]: "nine" is not one of batch, none'),
    ],
)
def test_a_wrong_dimension_is_told(complain: Complain, dimension: str, problem: str) -> None:
    (found,) = problems(complain, dimension)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("dimension", "reason"),
    [
        ("dataset.name: {choices: [dots, digits]}", "a search must not vary the data set or its split"),
        ("dataset.validation.seed: {low: 0, high: 4}", "a search must not vary the data set or its split"),
        ("dataset.resize: {low: 8, high: 32}", "a search must not vary the data set or its split"),
        ("seed: {low: 0, high: 9}", "a search must not vary the seed: the trials would not be comparable"),
        ("seeds: {choices: [1, 2]}", "a search must not vary the seed: the trials would not be comparable"),
        ("test: {choices: [once, never]}", "a search never opens the test set; its winner alone does, once"),
        ("train_on: {choices: [train, train+val]}", "a search must not vary what is fitted on"),
        ("recipe.checkpoint.epochs: {low: 1, high: 4}", "has no influence on the result"),
        ("recipe.tta: {choices: [none, flip]}", "has no influence on the plain validation figures"),
    ],
)
def test_what_would_make_trials_incomparable_is_not_searched(complain: Complain, dimension: str, reason: str) -> None:
    (found,) = problems(complain, dimension)
    assert found.startswith(f"13 {dimension.partition(':')[0]}: {reason}")


def test_networks_and_models_without_a_recipe_are_not_searched_together(complain: Complain) -> None:
    (found,) = problems(complain, "model: {choices: [net_a, fit_a]}")
    assert found.startswith('38 model.choices[1]: model "fit_a" takes no recipe, unlike "net_a"')


def test_a_dimension_may_exist_only_beside_a_value_of_another(load: Load) -> None:
    found = space(
        load,
        "recipe.optimizer.name: {choices: [step_a, step_b]}, "
        "recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer.name: step_b}}",
    )
    assert found["recipe.optimizer.name"] == Choices(choices=("step_a", "step_b"))
    assert found["recipe.optimizer.beta"].when == {"recipe.optimizer.name": "step_b"}


def test_dimensions_come_behind_those_that_they_depend_on(load: Load) -> None:
    found = space(
        load,
        "recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer.name: step_b}}, "
        "recipe.epochs: {low: 1, high: 5}, "
        "recipe.optimizer.name: {choices: [step_a, step_b], when: {model: net_b}}, "
        "model: {choices: [net_a, net_b]}",
    )
    assert list(found) == ["model", "recipe.optimizer.name", "recipe.optimizer.beta", "recipe.epochs"]


NORM = "model.norm: {choices: [batch, none]}"
OPTIMIZER = "recipe.optimizer.name: {choices: [step_a, step_b]}"


@pytest.mark.parametrize(
    ("dimensions", "problem"),
    [
        (
            f"model.dropout: {{low: 0, high: 0.5, when: {{model.nrm: batch}}}}, {NORM}",
            '66 model.dropout.when.model.nrm: "model.nrm" is no other dimension of this space; '
            'did you mean "model.norm"?',
        ),
        (
            f"model.dropout: {{low: 0, high: 0.5, when: {{model.norm: x}}}}, {NORM}",
            '67 model.dropout.when.model.norm: "x" is not among the choices of model.norm',
        ),
        ("model.dropout: {low: 0, high: 0.5, when: 5}", "54 model.dropout.when: 5 is not a mapping"),
        (
            "model.norm: {choices: [batch, none], when: {model.norm: batch}}",
            "69 model.norm.when.model.norm: a dimension cannot depend on itself",
        ),
        (
            "model.dropout: {low: 0, high: 0.5, when: {recipe.epochs: 3}}, recipe.epochs: {low: 2, high: 5}",
            "70 model.dropout.when.recipe.epochs: recipe.epochs is a range; only a value of choices can be asked for",
        ),
        (
            "model.norm: {choices: [batch, none], when: {recipe.optimizer.name: step_b}}, "
            "recipe.optimizer.name: {choices: [step_a, step_b], when: {model.norm: batch}}",
            "80 model.norm.when.recipe.optimizer.name: goes in a circle: "
            "model.norm needs recipe.optimizer.name needs model.norm",
        ),
        (
            "model.dropout: {low: 0, high: 0.5, when: {model.norm: none, recipe.optimizer.name: step_a}}, "
            f"model.norm: {{choices: [batch, none], when: {{recipe.optimizer.name: step_b}}}}, {OPTIMIZER}",
            '28 model.dropout: can never exist: recipe.optimizer.name would be "step_a" and "step_b" at once',
        ),
        (
            "model: {choices: [net_a, net_b]}, model.dropout: {low: 0, high: 0.5}",
            "47 model.dropout: does not go with model net_b; write when: {model: net_a}",
        ),
        (
            f"{OPTIMIZER}, recipe.optimizer.momentum: {{low: 0, high: 0.9}}",
            "65 recipe.optimizer.momentum: does not go with recipe.optimizer.name step_b; "
            "write when: {recipe.optimizer.name: step_a}",
        ),
        (
            "recipe.optimizer: {choices: [step_a, {name: step_b, lr: 0.1}]}, "
            "recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer: step_a}}",
            '77 recipe.optimizer.beta: there is no path "recipe.optimizer.beta"; valid:',
        ),
    ],
)
def test_a_wrong_condition_is_told(complain: Complain, dimensions: str, problem: str) -> None:
    (found,) = problems(complain, dimensions)
    assert found.startswith(problem)


def test_an_option_of_one_component_in_a_list_exists_beside_the_lists_that_hold_it(load: Load) -> None:
    found = space(
        load,
        "recipe.augment: {choices: [[], [mirror], [shift, mirror]]}, "
        "recipe.augment.shift.pad: {low: 1, high: 4, when: {recipe.augment: [shift, mirror]}}",
    )
    assert found["recipe.augment"] == Choices(choices=([], ["mirror"], ["shift", "mirror"]))
    assert found["recipe.augment.shift.pad"] == Range(
        low=1, high=4, int=True, when={"recipe.augment": ["shift", "mirror"]}
    )
