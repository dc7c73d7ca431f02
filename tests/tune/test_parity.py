"""The same search as a plain Optuna loop makes: same points, same trials given up, same best."""

from __future__ import annotations

import optuna
import pytest

from harness.matrix import varied
from harness.tune import search
from harness.tune.optuna_space import make_pruner, make_sampler, suggested
from tests.tune.conftest import Lab
from tests.tune.fake_trials import score


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [
        ("tpe", "median"),
        pytest.param("random", "none", marks=pytest.mark.slow),
        *(pytest.param("tpe", each, marks=pytest.mark.slow) for each in ("none", "hyperband", "successive_halving")),
    ],
)
def test_one_trial_at_a_time_is_a_plain_optuna_loop(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, sampler: str, pruner: str
) -> None:
    monkeypatch.setattr(search, "WINDOW", 1)
    monkeypatch.setattr("harness.tune.study.WINDOW", 1)
    context = lab.context(f"    trials: 20\n    sampler: {sampler}\n    pruner: {pruner}\n")
    found = lab.run(context).tuning

    plain = optuna.create_study(
        study_name="study/mlp", direction="maximize", pruner=make_pruner(context.tune) or optuna.pruners.NopPruner()
    )
    plain.enqueue_trial(context.start[0])
    for number in range(20):
        plain.sampler = make_sampler(context.tune, "study/mlp", number)
        if pruner == "hyperband":  # Optuna's loop draws a bracket's points from its own trials alone; ours from all
            plain.pruner = optuna.pruners.NopPruner()
        trial = plain.ask()
        final = score(varied(context.tune.start, suggested(context.tune.space, trial), context.catalog))
        plain.pruner = make_pruner(context.tune) or optuna.pruners.NopPruner()
        plain.tell(trial, *_outcome(trial, final))

    assert [each.state.name.lower() for each in plain.trials] == [each.state for each in found.trials]
    for theirs, ours in zip(plain.trials, found.trials, strict=True):
        assert theirs.params == dict(ours.params)
        assert theirs.intermediate_values == pytest.approx(dict(ours.epochs))


def _outcome(trial: optuna.Trial, final: float) -> tuple[float | None, optuna.trial.TrialState | None]:
    for epoch in range(1, 10):
        trial.report(final * epoch / 9, epoch)
        if epoch < 9 and trial.should_prune():
            return None, optuna.trial.TrialState.PRUNED
    return final, None
