"""`objective:` and `constraints:` of a tuning study."""

from __future__ import annotations

import pytest

from harness.contracts import Goal, Objective
from tests.matrix.conftest import SPACE, TUNED, Complain, Load

CLASSICAL = TUNED.replace("  a:\n", "  f:\n") + "    space: {model.strength: {low: 1, high: 2}}\n"


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
            "valid: val/accuracy, val/loss, val/macro_f1",
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
        (f"{{model/flops: 1{'0' * 310}}}", f"14:32: tune.a.constraints.model/flops: 1{'0' * 310} is not a positive"),
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
