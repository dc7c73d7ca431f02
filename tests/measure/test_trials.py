"""Trials in order of merit, the running best, the Pareto front, and the range of their scores."""

from __future__ import annotations

import math

import numpy as np
import optuna
import pytest

from harness.contracts import Goal, Objective, TrialFound, Tuning
from harness.measure.trials import front, points_of, ranking, running_best, score_span, strong_and_weak
from tests.report.tunings import ACCURACY, PARAMETERS, search, trial_of, tune_of, tuning_of

LOSS = Goal(metric="val/loss", direction="minimize")


def minimizing(*trials: TrialFound) -> Tuning:
    return tuning_of(*trials, tune=tune_of(goals=(LOSS,)))


def numbers(trials: tuple[TrialFound, ...]) -> list[int]:
    return [trial.number for trial in trials]


def test_only_complete_feasible_trials_are_ranked_and_a_duplicate_only_once() -> None:
    trials = (
        trial_of(0, 0.5),
        trial_of(1, 0.9, is_feasible=False),
        trial_of(2, 0.7),
        trial_of(3, 0.7, duplicate_of=2),
        trial_of(4, 0.8, state="pruned", values=(), epochs={1: 0.8}),
        trial_of(5, math.nan),
        trial_of(6),
        trial_of(7, 0.7),
    )
    assert numbers(ranking(tuning_of(*trials))) == [2, 7, 0]
    assert numbers(ranking(minimizing(*trials))) == [0, 2, 7]
    assert running_best(tuning_of(*trials)) == ((0, 0.5), (2, 0.7))


def test_every_ended_trial_has_its_kind_and_a_pruned_one_the_score_seen_last() -> None:
    trials = (
        trial_of(0, 0.5),
        trial_of(1, state="pruned", epochs={1: 0.2, 2: 0.3}),
        trial_of(2, epochs={1: 0.9}),
        trial_of(3, 0.6, is_feasible=False),
        trial_of(4, 0.5, duplicate_of=0),
        trial_of(5, state="running", epochs={1: 0.1}),
    )
    found = [(point.kind, point.score) for point in points_of(tuning_of(*trials))]
    assert found == [("complete", 0.5), ("pruned", 0.3), ("failed", None), ("infeasible", 0.6), ("duplicate", 0.5)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_pareto_front_is_optunas(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 12, (60, 3)).astype(float)
    goals = (ACCURACY, PARAMETERS, LOSS)
    study = optuna.create_study(directions=[goal.direction for goal in goals])
    study.add_trials([optuna.trial.create_trial(values=list(row)) for row in values])
    trials = [trial_of(number, 0.0, values=tuple(row)) for number, row in enumerate(values)]
    found = front(tuning_of(*trials, tune=tune_of(goals=goals)))
    assert sorted(numbers(found)) == sorted(trial.number for trial in study.best_trials)
    assert [trial.values[0] for trial in found] == sorted((trial.values[0] for trial in found), reverse=True)


def test_trials_at_chance_level_do_not_press_the_others_into_a_line() -> None:
    scores = [0.1, 0.1, 0.88, 0.89, 0.9, 0.91, 0.92]
    span = score_span(tuning_of(*(trial_of(number, score) for number, score in enumerate(scores))))
    assert span is not None
    assert 0.7 < span[0] < 0.88 and 0.92 < span[1] < 0.93
    losses = [9.0, 9.0, 0.5, 0.48, 0.46, 0.44, 0.42]
    span = score_span(minimizing(*(trial_of(number, loss) for number, loss in enumerate(losses))))
    assert span is not None
    assert 0.4 < span[0] < 0.42 and 0.5 < span[1] < 1


def test_many_trials_are_thinned_to_a_hundred_and_fifty_lines_the_best_among_them() -> None:
    tuning = search(500)
    strong, weak = strong_and_weak(tuning)
    assert (len(strong), len(weak)) == (20, 130)
    assert strong == ranking(tuning)[:20]
    assert not set(numbers(strong)) & set(numbers(weak))


def test_an_objective_over_several_goals_is_ranked_by_the_first() -> None:
    tune = tune_of().model_copy(update={"objective": Objective(goals=(PARAMETERS, ACCURACY))})
    trials = [trial_of(0, 0.0, values=(900.0, 0.9)), trial_of(1, 0.0, values=(100.0, 0.5))]
    assert numbers(ranking(tuning_of(*trials, tune=tune))) == [1, 0]
