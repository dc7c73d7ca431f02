"""A `tune:` entry: what it goes for, by what, and within what."""

from __future__ import annotations

import pytest

from harness.contracts import Goal, Objective, Range, Tune
from tests.matrix.conftest import SPACE, TUNED, Complain, Load

NUMBERS = "    space: {recipe.optimizer.lr: {low: 0.1, high: 1}, model.dropout: {low: 0, high: 0.5}}\n"
CLASSICAL = TUNED.replace("  a:\n", "  f:\n") + "    space: {model.strength: {low: 1, high: 2}}\n"


def tune(load: Load, lines: str) -> Tune:
    return load(TUNED + lines).tune["a"]


def told(problem: str) -> str:
    """Return a problem without its position."""
    return problem.partition(": tune.")[2]


def test_a_study_starts_from_the_experiment_before_its_matrix(load: Load) -> None:
    found = tune(load, SPACE)
    assert found.start.model.options["width"] == 8
    assert found.seeds == (0, 1)
    assert found.space == {"recipe.optimizer.lr": Range(low=0.001, high=1.0, log=True)}


def test_everything_but_trials_and_space_has_a_default(load: Load) -> None:
    found = tune(load, SPACE)
    assert (found.sampler, found.pruner, found.timeout, found.confirm) == ("tpe", "none", None, None)
    assert (found.objective.goals, found.objective.seeds) == ((Goal(metric="val/accuracy", direction="maximize"),), 1)
    assert (found.constraints, found.final.train_on) == ({}, "train")


def test_a_study_knows_where_each_of_its_tuning_studies_stands(load: Load) -> None:
    assert load(TUNED + SPACE).marks == {"a": "matrix.yaml:11:3: tune.a"}


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("30m", 1800), ("45s", 45), ("1h30m", 5400), ("90", 90)])
def test_a_timeout_is_read_as_seconds(load: Load, text: str, seconds: float) -> None:
    assert tune(load, SPACE + f"    timeout: {text}\n").timeout == seconds


@pytest.mark.parametrize("name", ["timeout", "objective", "constraints", "confirm", "final"])
def test_null_is_the_same_as_nothing_written(load: Load, name: str) -> None:
    assert tune(load, SPACE + f"    {name}: null\n") == tune(load, SPACE)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("    timeout: 2x\n", 'timeout: "2x" is not a time such as 2h'),
        ("    timeout: 0\n", "timeout: 0 is not a time such as 2h"),
        ("    timeout: 0s\n", 'timeout: "0s" is not a time such as 2h'),
        (f"    timeout: 1{'0' * 310}\n", f'timeout: "1{"0" * 199}…" is not a time such as 2h'),
        (
            "    sampler: tpee\n",
            'sampler: "tpee" is not one of random, grid, tpe, gp, cmaes, qmc; did you mean "tpe"?',
        ),
        ("    pruner: medain\n", 'pruner: "medain" is not one of none, median'),
        ("    confirm: {top: 5, seeds: [9]}\n", "confirm.top: the best 5 of 4 trials: there are too few"),
        ("    confirm: {top: 1, seeds: [1, 9]}\n", "confirm.seeds: seeds must be fresh; the experiment itself uses 1"),
        ("    confirm: {top: 1, seeds: [9, 9]}\n", "confirm.seeds: the same seed is there twice"),
        ("    confirm: {top: 1, seeds: []}\n", "confirm.seeds: a list is not a list of at least 1"),
        ("    final: {train_on: val}\n", 'final.train_on: "val" is not one of train, train+val'),
        ("    trails: 3\n", 'trails: unknown key; did you mean "trials"?'),
    ],
)
def test_a_wrong_tuning_study_is_told(complain: Complain, lines: str, problem: str) -> None:
    (found,) = complain(TUNED + SPACE + lines)
    assert told(found).startswith(f"a.{problem}")


def test_an_unknown_experiment_is_told(complain: Complain) -> None:
    problems = complain(TUNED.replace("  a:\n", "  aa:\n") + SPACE)
    assert problems == ['matrix.yaml:11:3: tune.aa: there is no experiment "aa"; did you mean "a"?']


def test_everything_wrong_is_told_at_once(complain: Complain) -> None:
    text = TUNED.replace("trials: 4", "trials: 0")
    space = "    space: {model.dropuot: {low: 0, high: 1}, recipe.epochs: {low: 3, high: 2}}\n"
    problems = complain(text + space + "    objective: {metric: test/loss}\n    constraints: {x: 0}\n    sampler: x\n")
    assert [each.split(": ")[0] for each in problems] == [
        "matrix.yaml:12:13",
        "matrix.yaml:13:13",
        "matrix.yaml:13:62",
        "matrix.yaml:14:25",
        "matrix.yaml:15:19",
        "matrix.yaml:15:22",
        "matrix.yaml:16:14",
    ]


def test_a_start_on_all_images_leaves_nothing_to_search_by(complain: Complain) -> None:
    (found,) = complain(TUNED.replace("{model: net_a", "{train_on: train+val, model: net_a") + SPACE)
    assert found.startswith(
        "matrix.yaml:12:5: tune.a: the experiment's train_on: train+val leaves no validation images"
    )


@pytest.mark.parametrize("chosen", ["keep: best", "early_stopping: {patience: 3}"])
def test_a_final_fit_on_all_images_cannot_choose_an_epoch(complain: Complain, chosen: str) -> None:
    text = TUNED.replace("{model: net_a", f"{{recipe: {{{chosen}}}, model: net_a") + SPACE
    (found,) = complain(text + "    final: {train_on: train+val}\n")
    assert found.startswith("matrix.yaml:14:23: tune.a.final.train_on: train+val leaves no validation images")


def test_a_search_cannot_lead_to_a_final_fit_that_chooses_an_epoch(complain: Complain, load: Load) -> None:
    space = "    space: {recipe.keep: {choices: [last, best]}}\n"
    assert tune(load, space).final.train_on == "train"
    (found,) = complain(TUNED + space + "    final: {train_on: train+val}\n")
    assert found.startswith("matrix.yaml:13:43: tune.a.space.recipe.keep.choices[1]: stops early or keeps the best")


@pytest.mark.parametrize("pruner", ["median", "hyperband", "successive_halving", "patient"])
def test_several_metrics_cannot_be_pruned_by(complain: Complain, pruner: str) -> None:
    (found,) = complain(
        TUNED + SPACE + f"    objective: {{metric: [val/loss, model/flops]}}\n    pruner: {pruner}\n",
    )
    text = "cannot prune by several metrics (val/loss, model/flops); write pruner: none"
    assert found == f"matrix.yaml:15:13: tune.a.pruner: {pruner} {text}"


def test_a_model_without_epochs_cannot_be_pruned(complain: Complain, load: Load) -> None:
    assert load(CLASSICAL).tune["f"].pruner == "none"
    (found,) = complain(CLASSICAL + "    pruner: median\n")
    text = 'median cannot prune: model "fit_a" takes no recipe and has no epochs to be judged by; write pruner: none'
    assert found == f"matrix.yaml:14:13: tune.f.pruner: {text}"


def test_a_metric_that_no_epoch_has_cannot_be_pruned_by(complain: Complain) -> None:
    (found,) = complain(TUNED + SPACE + "    objective: {metric: val/macro_f1}\n    pruner: median\n")
    assert told(found).startswith("a.pruner: median cannot prune by val/macro_f1, which is measured at the end only")


def test_a_grid_needs_a_number_of_points_that_can_be_finished(complain: Complain, load: Load) -> None:
    (endless,) = complain(TUNED + SPACE + "    sampler: grid\n")
    assert told(endless) == "a.space.recipe.optimizer.lr: a grid needs choices, a step or int: true"
    space = "    space: {{recipe.epochs: {{low: 1, high: {most}}}, recipe.batch_size: {{low: 1, high: 1000}}}}\n"
    (large,) = complain(TUNED + space.format(most=101) + "    sampler: grid\n")
    assert told(large) == "a.sampler: a grid of 101000 points is too large; at most 100000"
    assert tune(load, space.format(most=100) + "    sampler: grid\n").sampler == "grid"


def test_a_path_of_whole_numbers_has_the_points_of_a_grid(load: Load) -> None:
    assert tune(load, "    sampler: grid\n    space: {recipe.epochs: {low: 2, high: 9}}\n").sampler == "grid"


def test_cmaes_needs_two_ranges_and_one_metric(complain: Complain, load: Load) -> None:
    assert tune(load, NUMBERS + "    sampler: cmaes\n").sampler == "cmaes"
    (found,) = complain(TUNED + SPACE + "    sampler: cmaes\n")
    assert told(found).startswith("a.sampler: cmaes needs two ranges that exist in every trial, not 1")
    (found,) = complain(TUNED + NUMBERS + "    sampler: cmaes\n    objective: {metric: [val/loss, val/accuracy]}\n")
    assert found.startswith("matrix.yaml:14:14: tune.a.sampler: cmaes searches for one metric, not several")


def objective(load: Load, text: str) -> Objective:
    return load(TUNED + SPACE + f"    objective: {text}\n").tune["a"].objective


def constraints(load: Load, text: str) -> dict[str, float]:
    return dict(load(TUNED + SPACE + f"    constraints: {text}\n").tune["a"].constraints)


@pytest.mark.parametrize(
    ("text", "goals"),
    [
        ("{metric: val/accuracy}", [("val/accuracy", "maximize")]),
        ("{metric: val/loss}", [("val/loss", "minimize")]),
        ("{metric: [val/macro_f1]}", [("val/macro_f1", "maximize")]),
        ("{seeds: 2}", [("val/accuracy", "maximize")]),
        ("{direction: maximize}", [("val/accuracy", "maximize")]),
        ("{metric: [val/accuracy, val/loss]}", [("val/accuracy", "maximize"), ("val/loss", "minimize")]),
        (
            "{metric: [val/accuracy, time/train_seconds, model/parameters]}",
            [("val/accuracy", "maximize"), ("time/train_seconds", "minimize"), ("model/parameters", "minimize")],
        ),
        (
            "{metric: [val/loss, model/flops], direction: [minimize, minimize]}",
            [("val/loss", "minimize"), ("model/flops", "minimize")],
        ),
    ],
)
def test_goals_have_the_direction_in_which_they_are_better(load: Load, text: str, goals: list[tuple[str, str]]) -> None:
    assert [(goal.metric, goal.direction) for goal in objective(load, text).goals] == goals


def test_the_first_goal_decides(load: Load) -> None:
    found = objective(load, "{metric: [val/loss, memory/peak_bytes], seeds: 2}")
    assert (found.first, found.seeds) == (Goal(metric="val/loss", direction="minimize"), 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("5", "14:16: tune.a.objective: 5 is not a mapping"),
        ("{metirc: x}", '14:17: tune.a.objective.metirc: unknown key; did you mean "metric"?'),
        ("{metric: 3}", "14:25: tune.a.objective.metric: 3 is not the name of a metric"),
        ("{metric: []}", "14:25: tune.a.objective.metric: an empty list names no metric"),
        (
            "{metric: test/accuracy}",
            '14:25: tune.a.objective.metric: "test/accuracy": a search sees validation only; '
            'did you mean "val/accuracy"?',
        ),
        (
            "{metric: [val/accuracy, test/accuracy]}",
            '14:40: tune.a.objective.metric[1]: "test/accuracy": a search sees validation only',
        ),
        ("{metric: val/acc}", '14:25: tune.a.objective.metric: "val/acc": there is no such metric to search by'),
        (
            "{metric: [val/accuracy, time/train]}",
            '14:40: tune.a.objective.metric[1]: "time/train": there is no such metric to search by; '
            'did you mean "time/train_seconds"?',
        ),
        (
            "{metric: [model/parameters, val/accuracy]}",
            '14:26: tune.a.objective.metric[0]: "model/parameters": a cost goes behind the metric that decides; '
            "valid: val/accuracy, val/auc, val/balanced_accuracy, val/ece, val/loss, val/macro_f1, val/top_k",
        ),
        (
            "{metric: [val/accuracy, model/flops, model/flops]}",
            '14:53: tune.a.objective.metric[2]: "model/flops" is there twice',
        ),
        ("{direction: up}", '14:28: tune.a.objective.direction: "up" is not one of maximize, minimize'),
        (
            "{metric: val/loss, direction: maximize}",
            '14:46: tune.a.objective.direction: "maximize": val/loss is better the lower it is',
        ),
        (
            "{metric: [val/accuracy, model/flops], direction: [maximize, maximize]}",
            '14:76: tune.a.objective.direction[1]: "maximize": model/flops is better the lower it is',
        ),
        (
            "{metric: [val/accuracy, model/flops], direction: maximize}",
            "14:65: tune.a.objective.direction: metric lists 2, direction 1; write a direction for each metric",
        ),
        ("{seeds: 3}", "14:24: tune.a.objective.seeds: 3 seeds, but the experiment has 2"),
        ("{seeds: 0}", "14:24: tune.a.objective.seeds: 0 is not a positive whole number"),
    ],
)
def test_a_wrong_objective_is_told(complain: Complain, text: str, problem: str) -> None:
    (found,) = complain(TUNED + SPACE + f"    objective: {text}\n")
    assert found.startswith(f"matrix.yaml:{problem}")


def test_constraints_say_the_most_there_may_be_of_each_cost(load: Load) -> None:
    assert constraints(load, "{model/parameters: 1.0e6, time/train_seconds: 60}") == {
        "model/parameters": 1_000_000,
        "time/train_seconds": 60,
    }
    assert constraints(load, "{}") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[model/flops]", "14:18: tune.a.constraints: a list is not a mapping from costs to the most there may be"),
        (
            "{model/params: 3}",
            '14:19: tune.a.constraints.model/params: is no cost that a trial has; did you mean "model/parameters"?',
        ),
        (
            "{val/loss: 3}",
            "14:19: tune.a.constraints.val/loss: is no cost that a trial has; "
            "valid: memory/peak_bytes, model/flops, model/parameters, time/train_seconds",
        ),
        ("{model/flops: 0}", "14:32: tune.a.constraints.model/flops: 0 is not a positive, finite number"),
        ("{model/flops: -2}", "14:32: tune.a.constraints.model/flops: -2 is not a positive, finite number"),
        ("{model/flops: true}", "14:32: tune.a.constraints.model/flops: true is not a positive, finite number"),
        ("{model/flops: .nan}", '14:32: tune.a.constraints.model/flops: ".nan" is not a positive, finite number'),
        ("{model/flops: .inf}", '14:32: tune.a.constraints.model/flops: ".inf" is not a positive, finite number'),
        ("{model/flops: null}", "14:32: tune.a.constraints.model/flops: null is not a positive, finite number"),
        (f"{{model/flops: 1{'0' * 310}}}", f'14:32: tune.a.constraints.model/flops: "1{"0" * 199}…" is not a positive'),
    ],
)
def test_a_wrong_constraint_is_told(complain: Complain, text: str, problem: str) -> None:
    (found,) = complain(TUNED + SPACE + f"    constraints: {text}\n")
    assert found.startswith(f"matrix.yaml:{problem}")


def test_costs_that_a_model_without_a_recipe_never_tells_are_refused(complain: Complain, load: Load) -> None:
    assert load(CLASSICAL + "    constraints: {model/parameters: 9}\n").tune["f"].constraints == {"model/parameters": 9}
    lines = "    objective: {metric: [val/accuracy, model/flops]}\n    constraints: {memory/peak_bytes: 5}\n"
    flops, peak = complain(CLASSICAL + lines)
    assert flops.startswith('matrix.yaml:14:40: tune.f.objective.metric[1]: "model/flops": FLOPs are counted for')
    text = 'for model "fit_a" it is the peak of the whole process, whatever that did before'
    assert peak == f"matrix.yaml:15:19: tune.f.constraints.memory/peak_bytes: {text}"
