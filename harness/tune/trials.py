"""The trials of one study in Optuna's storage: asked, noted, told.

What the harness knows of a trial stands beside it as the attribute `harness` (a `TrialFound`), written as soon as
it is known. Optuna is told later, in the order of the trials' numbers (see `search`); a trial that had ended when
its driver was killed is then told by the next one, without running again.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

from harness.contracts import TrialFound, Tune
from harness.tune.pruning import Judge, judge_of
from harness.tune.samplers import make_pruner, make_sampler
from harness.tune.space import Point, optuna_value, suggested
from harness.tune.storage import Storage

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

    def ask(self, fixed: Point | None = None, outside: Sequence[str] = ()) -> TrialFound:
        """Start the next trial and return it.

        Args:
            fixed: the point to take instead of a drawn one; a second try that waits comes before it.
            outside: paths whose value is outside of the space: then Optuna is told of no point at all.
        """
        if fixed is not None and not outside and not self.has_waiting:
            self.study.enqueue_trial({path: optuna_value(self.tune.space[path], each) for path, each in fixed.items()})
        self.study.sampler = make_sampler(self.tune, self.study.study_name, len(self._frozen()))
        trial = self.study.ask()
        point = dict(fixed or {}) if outside else suggested(self.tune.space, trial)
        found = TrialFound(number=trial.number, state="running", params=point, outside=tuple(outside), start=_now())
        self.note(found)
        self.own(found.number)
        return found

    def adopt(self) -> tuple[TrialFound, ...]:
        """Take over the running trials of processes of this machine that are gone; return them.

        Where other machines work on the study, trials of silent ones are told failed and put in again.
        """
        if self.storage.beats:
            optuna.storages.fail_stale_trials(self.study)
        orphans = [each for each in self._frozen(TrialState.RUNNING) if _is_orphan(each)]
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
        """Say that this process runs a trial."""
        self._set(number, OWNER, {"host": platform.node(), "pid": os.getpid(), "time": _now()})
        if self.storage.beats:
            self.storage.database.record_heartbeat(self.id_of(number))

    def leave(self, number: int) -> None:
        """Say that nobody runs a trial, so that the next session takes it over."""
        self._set(number, OWNER, {})

    def note(self, found: TrialFound) -> None:
        """Write down what is known of a trial."""
        self._set(found.number, FOUND, found.model_dump(mode="json", exclude={"epochs"}))

    def hear(self, number: int, epoch: int, value: float) -> None:
        """Write down the value of an epoch, once."""
        if epoch not in self._trial(number).intermediate_values:
            self.storage.optuna.set_trial_intermediate_value(self.id_of(number), epoch, value)

    def mark(self, number: int, marks: Mapping[str, float]) -> None:
        """Write down what the pruner has noted of a trial."""
        for name, value in marks.items():
            self.storage.optuna.set_trial_system_attr(self.id_of(number), name, value)

    def tell(self, found: TrialFound) -> None:
        """Tell Optuna how a trial has ended."""
        if found.outside:  # a point that Optuna has no words for
            self.study.tell(found.number, state=TrialState.FAIL)
            return
        for name, most in self.tune.constraints.items() if found.state == "complete" else ():
            optuna.Trial(self.study, self.id_of(found.number)).set_constraint(name, found.costs[name] - most)
        values = list(found.values) if found.state == "complete" else None
        self.study.tell(found.number, values, state=_STATES[found.state])

    def retry(self, found: TrialFound) -> bool:
        """Tell a trial failed and put it in again; False if it has been put in again before."""
        trial = self._trial(found.number)
        if RETRY_OF in trial.user_attrs or found.outside:
            return False
        self.note(found.model_copy(update={"state": "failed"}))
        self.study.tell(found.number, state=TrialState.FAIL)
        retry_once(self.study, self._trial(found.number))
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

    def _set(self, number: int, name: str, value: Any) -> None:
        self.storage.optuna.set_trial_user_attr(self.id_of(number), name, value)


def retry_once(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put a failed trial in again, unless it is itself a second try."""
    if RETRY_OF not in trial.user_attrs:
        study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})


def found_of(trial: FrozenTrial) -> TrialFound:
    """Return what the harness knows of a trial; a loss that was not finite has no place in JSON."""
    epochs = {epoch: value for epoch, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)}
    return TrialFound(**trial.user_attrs[FOUND], epochs=epochs)


def _tried_again(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that have a second try."""
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}


def _is_stillborn(trial: FrozenTrial) -> bool:
    """Whether the driver was killed before it knew of the trial."""
    return trial.state.is_finished() and FOUND not in trial.user_attrs


def _is_ours(trial: FrozenTrial) -> bool:
    owner: Mapping[str, Any] = trial.user_attrs.get(OWNER, {})
    return owner.get("host") == platform.node() and owner.get("pid") == os.getpid()


def _is_orphan(trial: FrozenTrial) -> bool:
    """Whether a running trial's process was one of this machine and is gone."""
    owner: Mapping[str, Any] = trial.user_attrs.get(OWNER, {})
    if not owner:
        return True
    if owner["host"] != platform.node() or _is_ours(trial):
        return False
    try:
        started = datetime.fromtimestamp(psutil.Process(owner["pid"]).create_time(), UTC)
    except psutil.Error:
        return True
    return started > datetime.fromisoformat(owner["time"])  # the number has been given to another process since


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
