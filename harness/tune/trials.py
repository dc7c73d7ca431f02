"""The trials of one study in Optuna's storage: asked, noted, told.

What the harness knows of a trial stands beside it as the attribute `harness` (a `TrialFound`), written as soon as
it is known. Optuna is told later, in the order of the trials' numbers (see `search`); a trial that had ended when
its driver was killed is then told by the next one, without running again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from harness.contracts import TrialFound, Tune
from harness.tune.owners import Owner, is_gone, me, now
from harness.tune.pruning import Judge, judge_of
from harness.tune.samplers import make_pruner, make_sampler
from harness.tune.space import Point, optuna_value, suggested
from harness.tune.storage import Storage
from harness.tune.turns import Turn

FOUND: Final = "harness"
OWNER: Final = "owner"
RETRY_OF: Final = "retry_of"
"""Set on a trial that is the second try of a failed one, which then counts for nothing."""
_STATES: Final = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials of `tune` in an Optuna study."""

    tune: Tune
    study: optuna.Study
    storage: Storage

    def all(self) -> tuple[TrialFound, ...]:
        """Return the trials that count, in the order of their numbers."""
        trials = self._frozen()
        again = _tried_again(trials)
        return tuple(found_of(each) for each in trials if FOUND in each.user_attrs and each.number not in again)

    @property
    def retried(self) -> int:
        """How many trials were told failed and tried again."""
        return len(_tried_again(self._frozen()))

    @property
    def points(self) -> int:
        """How many points have been asked for; a second try is no other point."""
        trials = self._frozen()
        return sum(RETRY_OF not in each.user_attrs and not _is_stillborn(each) for each in trials)

    @property
    def has_waiting(self) -> bool:
        """Whether a second try waits to be asked for."""
        return bool(self._frozen(TrialState.WAITING))

    @property
    def drawing(self) -> Turn:
        """The turn to draw trials and to take over those of others."""
        return self.storage.turn(self.study.study_name, "harness.drawing")

    def ask(self, fixed: Point | None = None, outside: Sequence[str] = ()) -> TrialFound:
        """Start the next trial and return it; only in one's turn.

        Args:
            fixed: the point to take instead of a drawn one; a second try that waits comes before it.
            outside: paths whose value is outside of the space: then Optuna is told of no point at all.
        """
        if fixed is not None and not outside and not self.has_waiting:
            self.study.enqueue_trial({path: optuna_value(self.tune.space[path], each) for path, each in fixed.items()})
        self.study.sampler = make_sampler(self.tune, self.study.study_name, len(self._frozen()))
        trial = self.study.ask()
        self.own(trial.number)
        point = dict(fixed or {}) if outside else suggested(self.tune.space, trial)
        found = TrialFound(number=trial.number, state="running", params=point, outside=tuple(outside), start=now())
        self.note(found)
        return found

    def adopt(self) -> tuple[TrialFound, ...]:
        """Take over the running trials of processes that are gone, and return them; only in one's turn."""
        orphans = [each for each in self._frozen(TrialState.RUNNING) if self._is_orphan(each)]
        for trial in orphans:
            if FOUND not in trial.user_attrs:  # killed between being asked and being noted
                self.study.tell(trial.number, state=TrialState.FAIL)
            else:
                self.own(trial.number)
        return tuple(found_of(each) for each in orphans if FOUND in each.user_attrs)

    @property
    def has_running(self) -> bool:
        """Whether trials have begun of which Optuna has not been told."""
        return bool(self._frozen(TrialState.RUNNING))

    def is_shared(self) -> bool:
        """Whether trials run in other processes."""
        return any(not _is_ours(each) for each in self._frozen(TrialState.RUNNING))

    def own(self, number: int) -> None:
        """Say that this process runs a trial, and is alive now."""
        self._set(number, OWNER, me().model_dump())

    def leave(self, number: int) -> None:
        """Say that nobody runs a trial, so that the next session takes it over."""
        self._set(number, OWNER, {})

    def note(self, found: TrialFound) -> None:
        """Write down what is known of a trial."""
        self._set(found.number, FOUND, found.model_dump(mode="json", exclude={"epochs"}))

    def hear(self, number: int, epoch: int, value: float) -> None:
        """Write down the value of an epoch, once."""
        with _unless_told():
            if epoch not in self._trial(number).intermediate_values:
                self.storage.optuna.set_trial_intermediate_value(self.id_of(number), epoch, value)

    def mark(self, number: int, marks: Mapping[str, float]) -> None:
        """Write down what the pruner has noted of a trial."""
        with _unless_told():
            for name, value in marks.items():
                self.storage.optuna.set_trial_system_attr(self.id_of(number), name, value)

    def tell(self, found: TrialFound) -> None:
        """Tell Optuna how a trial has ended."""
        with _unless_told():
            self._tell(found)

    def _tell(self, found: TrialFound) -> None:
        if found.outside:  # a point that Optuna has no words for
            self.study.tell(found.number, state=TrialState.FAIL, skip_if_finished=True)
            return
        for name, most in self.tune.constraints.items() if found.state == "complete" else ():
            optuna.Trial(self.study, self.id_of(found.number)).set_constraint(name, found.costs[name] - most)
        values = list(found.values) if found.state == "complete" else None
        self.study.tell(found.number, values, state=_STATES[found.state], skip_if_finished=True)

    def retry(self, found: TrialFound) -> bool:
        """Tell a trial failed and put it in again; False if it has been put in again before."""
        trial = self._trial(found.number)
        if RETRY_OF in trial.user_attrs or found.outside or trial.state.is_finished():
            return False
        self.note(found.model_copy(update={"state": "failed"}))
        self.study.tell(found.number, state=TrialState.FAIL)
        self.study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
        return True

    def judge(self, found: TrialFound, epochs: int) -> Judge | None:
        """Return who says whether a trial is given up, None where nothing is pruned."""
        pruner = make_pruner(self.tune)
        if pruner is None or found.outside:
            return None
        return judge_of(self.study, pruner, found.number, epochs, self._trial(found.number).intermediate_values)

    def _frozen(self, *states: TrialState) -> list[FrozenTrial]:
        found: list[FrozenTrial] = self.study.get_trials(deepcopy=False, states=states or None)
        return found

    def _trial(self, number: int) -> FrozenTrial:
        return self.storage.optuna.get_trial(self.id_of(number))

    def id_of(self, number: int) -> int:
        """Return the storage's id of a trial."""
        study = self.storage.optuna.get_study_id_from_name(self.study.study_name)
        found: int = self.storage.optuna.get_trial_id_from_study_id_trial_number(study, number)
        return found

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        owner = _owner(trial)
        return owner is None or is_gone(owner, self.storage.is_shared)

    def _set(self, number: int, name: str, value: Any) -> None:
        with _unless_told():
            self.storage.optuna.set_trial_user_attr(self.id_of(number), name, value)


def found_of(trial: FrozenTrial) -> TrialFound:
    """Return what the harness knows of a trial; a loss that was not finite has no place in JSON."""
    epochs = {epoch: value for epoch, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)}
    return TrialFound(**trial.user_attrs[FOUND], epochs=epochs)


def _unless_told() -> suppress:
    """Let go of what is to be written to a trial that another machine, which took this one for dead, has told."""
    return suppress(UpdateFinishedTrialError)


def _tried_again(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that have a second try."""
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}


def _is_stillborn(trial: FrozenTrial) -> bool:
    """Whether the driver was killed before it knew of the trial."""
    return trial.state.is_finished() and FOUND not in trial.user_attrs


def _owner(trial: FrozenTrial) -> Owner | None:
    """Return whose a trial is, None if it has been left."""
    owner = trial.user_attrs.get(OWNER)
    return Owner.model_validate(owner) if owner else None


def _is_ours(trial: FrozenTrial) -> bool:
    owner = _owner(trial)
    return owner is not None and owner.is_me
