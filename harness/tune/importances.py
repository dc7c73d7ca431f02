"""How much each dimension of a space matters, by Optuna's evaluators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.contracts import Importances

FEWEST: Final = 8
"""Complete trials below which no importance is given."""


def importances(study: optuna.Study, seed: int) -> tuple[Importances, ...]:
    """Return the importances for the first goal by both evaluators, as far as each can say.

    Watanabe et al. 2023 (PED-ANOVA: what tells the best tenth from the rest) and Hutter et al. 2014 (fANOVA: what
    explains the variance over the whole space); they answer different questions and may disagree.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < FEWEST or len({trial.values[0] for trial in complete}) < 2:
        return ()
    judged = study if len(study.directions) == 1 else _by_first_goal(study, complete)
    evaluators = {
        "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator(),
        "fANOVA": optuna.importance.FanovaImportanceEvaluator(seed=seed),
    }
    found = []
    for name, evaluator in evaluators.items():
        try:
            shares = optuna.importance.get_param_importances(judged, evaluator=evaluator)
        except (ValueError, RuntimeError):
            continue  # every dimension is conditional, or never varied
        if shares and all(map(math.isfinite, shares.values())):
            found.append(Importances(evaluator=name, shares=shares))
    return tuple(found)


def _by_first_goal(study: optuna.Study, complete: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study in memory that has the first goal alone."""
    single = optuna.create_study(direction=study.directions[0])
    for trial in complete:
        parts = {"params": trial.params, "distributions": trial.distributions, "value": trial.values[0]}
        single.add_trial(optuna.trial.create_trial(**parts))
    return single
