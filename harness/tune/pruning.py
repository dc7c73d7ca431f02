"""Whether a running trial is given up: decided by what was known when the trial was suggested.

A pruner that looks at whatever has been reported by now decides by timing: with two workers the same study
prunes other trials each time. So each trial gets a study in memory with the trials that had been told by the
time it was drawn, and is judged against those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from harness.errors import PrunedError


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one trial."""

    trial: optuna.Trial
    epochs: int
    """How many it runs for at most: after the last one nothing is saved any more."""
    heard: int
    """The last epoch that was judged before the trial was interrupted, 0 if there is none."""

    def hear(self, epoch: int, value: float) -> None:
        """Hear the value of an epoch.

        Raises:
            PrunedError: the trial is not worth going on.
        """
        if epoch <= self.heard:
            return
        self.trial.report(value, epoch)
        if epoch < self.epochs and self.trial.should_prune():
            raise PrunedError(f"pruned at epoch {epoch} of {self.epochs}")

    @property
    def marks(self) -> Mapping[str, Any]:
        """What the pruner has noted, for those who are compared with this trial later."""
        attributes = self.trial.storage.get_trial_system_attrs(self.trial._trial_id)
        return {key: value for key, value in attributes.items() if key.startswith("completed_rung")}


def judge_of(
    study: optuna.Study, pruner: optuna.pruners.BasePruner, number: int, epochs: int, past: Mapping[int, float]
) -> Judge:
    """Return the judge of trial `number`, before it runs.

    Args:
        study: the study; its finished trials with lower numbers are those to compare with.
        pruner: one that is used for nothing else.
        number: of the trial.
        epochs: of the trial.
        past: epoch -> value heard before the trial was interrupted.
    """
    view = optuna.create_study(study_name=study.study_name, direction=study.direction, pruner=pruner)
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    for trial in _numbered(finished, number):
        view.add_trial(trial)
    judge = Judge(view.ask(), epochs, max(past, default=0))
    for epoch in sorted(past):
        judge.trial.report(past[epoch], epoch)
    return judge


def _numbered(finished: Sequence[FrozenTrial], below: int) -> list[FrozenTrial]:
    """Return one trial for each number below; one that is not told yet is one that nothing is known of."""
    known = {trial.number: trial for trial in finished}
    unknown = optuna.trial.create_trial(state=TrialState.FAIL)
    return [known.get(number, unknown) for number in range(below)]
