"""Every sampler draws from the space, every pruner gives up what is bad."""

from __future__ import annotations

from functools import partial

import pytest

from tests.tune.conftest import HEAD, Lab

CONDITIONAL = """
    space:
      recipe.optimizer.name: {choices: [sgd, adamw]}
      recipe.optimizer.momentum: {low: 0.0, high: 0.9, when: {recipe.optimizer.name: sgd}}
      recipe.optimizer.lr: {low: 1.0e-4, high: 1.0, log: true}
      recipe.label_smoothing: {low: 0.0, high: 0.2}
"""
slow = partial(pytest.param, marks=pytest.mark.slow)
PLAIN_MOMENTUM = HEAD.replace("name: sgd, ", "name: sgd, nesterov: false, ")


@pytest.mark.parametrize("sampler", ["tpe", *map(slow, ["random", "gp", "cmaes", "qmc"])])
def test_every_sampler_keeps_to_a_conditional_space(lab: Lab, sampler: str) -> None:
    found = lab.tune(f"    trials: 14\n    sampler: {sampler}\n", CONDITIONAL, PLAIN_MOMENTUM).tuning
    assert [each.state for each in found.trials] == ["complete"] * 14
    assert {each.params["recipe.optimizer.name"] for each in found.trials} == {"sgd", "adamw"}
    for each in found.trials:
        assert ("recipe.optimizer.momentum" in each.params) == (each.params["recipe.optimizer.name"] == "sgd")
        assert 1e-4 <= float(str(each.params["recipe.optimizer.lr"])) <= 1.0


@pytest.mark.parametrize("pruner", ["median", *map(slow, ["hyperband", "successive_halving", "patient"])])
def test_every_pruner_gives_up_bad_trials_and_keeps_the_best(lab: Lab, pruner: str) -> None:
    found = lab.tune(f"    trials: 25\n    sampler: random\n    pruner: {pruner}\n").tuning
    pruned = [each for each in found.trials if each.state == "pruned"]
    assert bool(pruned) == (pruner != "patient")  # scores that only rise give patience no reason
    assert all(each.epochs and max(each.epochs) < 9 for each in pruned)
    assert all(not each.values for each in pruned)
    records = [lab.store.record(run_id) for each in pruned for run_id in each.run_ids]
    assert all(each.status == "KILLED" and "harness.pruned" in each.tags for each in records)
    assert found.winner is not None
