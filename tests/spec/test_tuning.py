from __future__ import annotations

import pytest

from harness.contracts import Choices, Range, Tune
from tests.spec.conftest import Complain, Load

BASE = "seeds: [0, 1]\nexperiments:\n  a: {model: net_a, matrix: {model.width: [2, 3]}}\ntune:\n  a:\n    trials: 4\n"
SPACE = "    space: {recipe.optimizer.lr: {low: 1e-3, high: 1, log: true}}\n"


def tune(load: Load, lines: str) -> Tune:
    return load(BASE + lines).tune["a"]


def test_a_study_starts_from_the_experiment_before_its_matrix(load: Load) -> None:
    found = tune(load, SPACE)
    assert found.start.model.options["width"] == 8
    assert found.seeds == (0, 1)
    assert found.space == {"recipe.optimizer.lr": Range(low=0.001, high=1.0, log=True)}


def test_everything_but_trials_and_space_has_a_default(load: Load) -> None:
    found = tune(load, SPACE)
    assert (found.sampler, found.pruner, found.timeout, found.confirm) == ("tpe", "none", None, None)
    assert (found.objective.metric, found.objective.direction, found.final.train_on) == (
        "val/accuracy",
        "maximize",
        "train",
    )


def test_a_loss_is_minimized_where_no_direction_is_given(load: Load) -> None:
    assert tune(load, SPACE + "    objective: {metric: val/loss}\n").objective.direction == "minimize"


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("30m", 1800), ("45s", 45), ("1h30m", 5400), ("90", 90)])
def test_a_timeout_is_read_as_seconds(load: Load, text: str, seconds: float) -> None:
    assert tune(load, SPACE + f"    timeout: {text}\n").timeout == seconds


def test_a_range_of_a_whole_number_is_one_of_whole_numbers(load: Load) -> None:
    space = tune(load, "    space: {recipe.epochs: {low: 2, high: 9}, model.dropout: {low: 0, high: 0.5}}\n").space
    assert space["recipe.epochs"] == Range(low=2, high=9, int=True)
    assert space["model.dropout"] == Range(low=0, high=0.5)


def test_a_dimension_may_exist_only_beside_a_value_of_another(load: Load) -> None:
    lines = """\
    space:
      recipe.optimizer.name: {choices: [step_a, step_b]}
      recipe.optimizer.beta: {low: 0.1, high: 0.9, when: {recipe.optimizer.name: step_b}}
"""
    space = tune(load, lines).space
    assert space["recipe.optimizer.name"] == Choices(choices=("step_a", "step_b"))
    assert space["recipe.optimizer.beta"].when == {"recipe.optimizer.name": "step_b"}


@pytest.mark.parametrize(
    ("dimension", "problem"),
    [
        ("recipe.epochs: {low: 3, high: 2}", "recipe.epochs: low 3 is not below high 2"),
        (
            "recipe.optimizer.lr: {low: 0, high: 1, log: true}",
            "recipe.optimizer.lr: a logarithmic scale needs a positive low, not 0",
        ),
        (
            "recipe.optimizer.lr: {low: 0.1, high: 1, log: true, step: 0.1}",
            "recipe.optimizer.lr: log and step do not go together",
        ),
        ("recipe.epochs: {low: 1, high: 4, step: 8}", "recipe.epochs: the step is wider than the range"),
        ("recipe.optimizer.lr: {low: 0.1, high: 4, int: true}", "recipe.optimizer.lr: int: true needs whole numbers"),
        (
            "model.dropout: {choices: [0.1]}",
            "model.dropout.choices: holds fewer than two choices: there is nothing to search",
        ),
        ("model.dropout: {choices: [0.1, 0.1]}", "model.dropout.choices: holds a choice twice"),
        ("model.dropout: {low: 0.1}", "model.dropout.high: is missing"),
        ("model.dropout: 0.1", "model.dropout: 0.1 is neither {low: ..., high: ...} nor {choices: [...]}"),
        ("model.dropout: {low: 0.1, hihg: 0.2, high: 1}", 'model.dropout.hihg: unknown key; did you mean "high"?'),
        (
            "model.dropuot: {low: 0.1, high: 0.2}",
            'model.dropuot: there is no path "model.dropuot"; did you mean "model.dropout"?',
        ),
        ("model.dropout: {low: 0.5, high: 1.5}", "model.dropout.high: 1.5 is not a number below 1"),
        ("model.norm: {choices: [batch, nine]}", 'model.norm.choices[1]: "nine" is not one of batch, none'),
        (
            "model.dropout: {low: 0, high: 0.5, when: {model.nrm: batch}}, model.norm: {choices: [batch, none]}",
            'model.dropout.when.model.nrm: "model.nrm" is no other dimension of this space; did you mean "model.norm"?',
        ),
        (
            "model.dropout: {low: 0, high: 0.5, when: {model.norm: x}}, model.norm: {choices: [batch, none]}",
            'model.dropout.when.model.norm: "x" is not among the choices of model.norm',
        ),
        (
            "recipe.optimizer.beta: {low: 0, high: 0.5}",
            'recipe.optimizer.beta: there is no path "recipe.optimizer.beta"; valid:',
        ),
    ],
)
def test_a_wrong_dimension_is_told(complain: Complain, dimension: str, problem: str) -> None:
    (found,) = complain(BASE + f"    space: {{{dimension}}}\n")
    position, _, rest = found.partition(": tune.a.space.")
    assert position.startswith("matrix.yaml:12:")
    assert rest.startswith(problem)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("    timeout: 2x\n", 'timeout: "2x" is not a time such as 2h'),
        ("    timeout: 0\n", "timeout: 0 is not a time such as 2h"),
        ("    sampler: tpee\n", 'sampler: "tpee" is not one of random, grid, tpe, gp, cmaes, qmc; did you mean "tpe"?'),
        ("    pruner: medain\n", 'pruner: "medain" is not one of none, median'),
        ("    sampler: grid\n", "space.recipe.optimizer.lr: a grid needs choices, a step or int: true"),
        (
            "    objective: {metric: test/accuracy}\n",
            'objective.metric: "test/accuracy": a search sees validation only',
        ),
        ("    objective: {metric: val/acc}\n", 'objective.metric: "val/acc": there is no such metric'),
        ("    objective: {seeds: 3}\n", "objective.seeds: 3 seeds, but the experiment has 2"),
        ("    confirm: {top: 5, seeds: [9]}\n", "confirm.top: the best 5 of 4 trials: there are too few"),
        ("    confirm: {top: 1, seeds: [1, 9]}\n", "confirm.seeds: seeds must be fresh; the experiment itself uses 1"),
        ("    confirm: {top: 1, seeds: [9, 9]}\n", "confirm.seeds: the same seed is there twice"),
        ("    confirm: {top: 1, seeds: []}\n", "confirm.seeds: a list is not a list of at least 1"),
        ("    final: {train_on: val}\n", 'final.train_on: "val" is not one of train, train+val'),
        ("    trails: 3\n", 'trails: unknown key; did you mean "trials"?'),
    ],
)
def test_a_wrong_tuning_study_is_told(complain: Complain, lines: str, problem: str) -> None:
    (found,) = complain(BASE + SPACE + lines)
    assert found.partition(": tune.a.")[2].startswith(problem)


def test_a_final_fit_on_all_images_cannot_choose_an_epoch(complain: Complain) -> None:
    text = BASE.replace("{model: net_a", "{recipe: {keep: best}, model: net_a") + SPACE
    (found,) = complain(text + "    final: {train_on: train+val}\n")
    assert "tune.a.final.train_on: train+val leaves no validation images" in found


def test_an_empty_space_and_an_unknown_experiment_are_told(complain: Complain) -> None:
    problems = complain(BASE.replace("  a:\n", "  aa:\n") + SPACE)
    assert problems == ['matrix.yaml:10:3: tune.aa: there is no experiment "aa"; did you mean "a"?']
    (empty,) = complain(BASE + "    space: {}\n")
    assert "there is nothing to search" in empty
