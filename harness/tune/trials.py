"""A study and its trials in Optuna's storage: found or created, asked, noted, told.

What the harness knows of a trial stands beside it as the attribute `harness` (a `TrialFound`), written as soon as
it is known. Optuna is told later, in the order of the trials' numbers (see `search`); a trial that had ended when
its driver was killed is then told by the next one, without running again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from harness.contracts import Confirmation, Frozen, TrialFound, Tune
from harness.errors import InputError
from harness.tune.context import TuneContext
from harness.tune.optuna_space import Point, make_pruner, make_sampler, optuna_value, suggested
from harness.tune.pruning import Judge, judge_of
from harness.tune.storage import (
    PROCESS,
    Heartbeat,
    Lease,
    Storage,
    exists,
    faults_told,
    heartbeat,
    is_gone,
    now,
    open_storage,
)

IDENTITY: Final = "harness.identity"
SECONDS: Final = "harness.seconds"
CHOICE: Final = "harness.choice"
FOUND: Final = "harness"
OWNER: Final = "owner"
RETRY_OF: Final = "retry_of"
"""Set on a trial that is the second try of a failed one, which then counts for nothing."""
_STATES: Final = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def open_study(context: TuneContext, home: Path) -> StoredStudy:
    """Return the study, created if there is none.

    Raises:
        InputError: there is a study of another space under this name.
        StoreError: the storage cannot be opened.
    """
    storage = open_storage(home)
    with faults_told(storage):
        study = optuna.create_study(
            study_name=context.title,
            storage=storage.optuna,
            directions=[goal.direction for goal in context.tune.objective.goals],
            load_if_exists=True,
            pruner=optuna.pruners.NopPruner(),
        )
        if IDENTITY not in study.user_attrs:
            study.set_user_attr(IDENTITY, dict(context.identity))
            study.set_metric_names([goal.metric for goal in context.tune.objective.goals])
        _refuse_another(context, study.user_attrs[IDENTITY])
    return StoredStudy(context, storage, study)


def find_study(context: TuneContext, home: Path) -> StoredStudy | None:
    """Return the study, None if there is none; nothing is created.

    Raises:
        InputError: there is a study of another space under this name.
        StoreError: the storage cannot be opened.
    """
    if not exists(home):
        return None
    storage = open_storage(home)
    with faults_told(storage):
        if context.title not in optuna.get_all_study_names(storage.optuna):
            return None
        study = optuna.load_study(study_name=context.title, storage=storage.optuna)
        if IDENTITY in study.user_attrs:
            _refuse_another(context, study.user_attrs[IDENTITY])
    return StoredStudy(context, storage, study)


def _refuse_another(context: TuneContext, identity: Mapping[str, Any]) -> None:
    """Refuse a study whose trials cannot be compared with those that are there.

    Raises:
        InputError: saying what differs.
    """
    mine = json.loads(json.dumps(context.identity))
    differing = [name for name in mine if mine[name] != identity.get(name)]
    if not differing:
        return
    texts = "; ".join(_difference(name, identity.get(name), mine[name]) for name in differing)
    raise InputError(
        f"{context.mark}: there is a tuning study {context.title} already, and its trials cannot be compared with "
        f"these: {texts}. Give this file's study another name, or set back what was changed"
    )


def _difference(name: str, before: Any, now: Any) -> str:
    """Return what differs, down to the first entries that do."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in (*before, *(key for key in now if key not in before)) if before.get(key) != now.get(key)]
        return ", ".join(_difference(f"{name}.{key}", before.get(key), now.get(key)) for key in keys[:3])
    return f"{name} was {_shown(before)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)


class StoredStudy:
    """One study: its trials, the seconds spent on it, its winner."""

    def __init__(self, context: TuneContext, storage: Storage, study: optuna.Study) -> None:
        self._study = study
        self.context = context
        self.storage = storage
        self.trials = Trials(context.tune, study, storage)

    @property
    def seconds(self) -> float:
        """Wall-clock time of search and confirmation, of all processes together."""
        return sum(float(value) for name, value in self._study.user_attrs.items() if name.startswith(SECONDS))

    def add_seconds(self, seconds: float) -> None:
        """Count time spent; each process in an entry of its own, so that none overwrites another's."""
        own = f"{SECONDS}.{PROCESS}"
        self._study.set_user_attr(own, self._attribute(own, 0.0) + seconds)

    @property
    def choosing(self) -> Lease:
        """The lease to choose the winner and to open the test set for it."""
        return self.storage.lease(self._study.study_name, "harness.choosing")

    @property
    def beginning(self) -> Lease:
        """The lease to start the run that stands for the study in the tracking store."""
        return self.storage.lease(self._study.study_name, "harness.beginning")

    @property
    def choice(self) -> Choice | None:
        """The winner, None while it is open."""
        found = self._attribute(CHOICE, None)
        return None if found is None else Choice.model_validate(found)

    def choose(self, choice: Choice) -> None:
        """Fix the winner."""
        self._study.set_user_attr(CHOICE, choice.model_dump(mode="json"))

    @property
    def is_searched(self) -> bool:
        """Whether no further trial is to be drawn."""
        tune = self.context.tune
        is_late = tune.timeout is not None and self.seconds >= tune.timeout
        return (self.trials.points >= self.context.budget or is_late) and not self.trials.has_waiting

    @property
    def study(self) -> optuna.Study:
        """Optuna's study."""
        return self._study

    def _attribute(self, name: str, default: Any) -> Any:
        attributes = self._study.user_attrs
        return attributes.get(name, default)


class Choice(Frozen):
    """The winner, once it is fixed, and what it was chosen by."""

    winner: int
    time: str
    """UTC in ISO 8601."""
    key: str
    """Of the cell of the experiment's first seed, which opens the test set."""
    confirm: str
    """The confirmation's settings as JSON."""
    points: int
    """How many points had been searched."""
    confirmed: tuple[Confirmation, ...] = ()
    keys: tuple[str, ...] = ()
    """Of its cells, one a seed; empty in choices of earlier versions, which fitted the winner with one seed."""


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
        return tuple(_found_of(each) for each in trials if FOUND in each.user_attrs and each.number not in again)

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
    def drawing(self) -> Lease:
        """The lease to draw trials and to take over those of others."""
        return self.storage.lease(self.study.study_name, "harness.drawing")

    def ask(self, fixed: Point | None = None, outside: Sequence[str] = ()) -> TrialFound:
        """Start the next trial and return it; only with the lease `drawing`.

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
        """Take over the running trials of processes that are gone, and return them; only with the lease `drawing`."""
        orphans = [each for each in self._frozen(TrialState.RUNNING) if self._is_orphan(each)]
        for trial in orphans:
            if FOUND not in trial.user_attrs:  # killed between being asked and being noted
                self.study.tell(trial.number, state=TrialState.FAIL)
            else:
                self.own(trial.number)
        return tuple(_found_of(each) for each in orphans if FOUND in each.user_attrs)

    @property
    def has_running(self) -> bool:
        """Whether trials have begun of which Optuna has not been told."""
        return bool(self._frozen(TrialState.RUNNING))

    def is_shared(self) -> bool:
        """Whether trials run in other processes."""
        return any(not _is_ours(each) for each in self._frozen(TrialState.RUNNING))

    def own(self, number: int) -> None:
        """Say that this process runs a trial, and is alive now."""
        self._set(number, OWNER, heartbeat().model_dump())

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


def _found_of(trial: FrozenTrial) -> TrialFound:
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


def _owner(trial: FrozenTrial) -> Heartbeat | None:
    """Return whose a trial is, None if it has been left."""
    owner = trial.user_attrs.get(OWNER)
    return Heartbeat.model_validate(owner) if owner else None


def _is_ours(trial: FrozenTrial) -> bool:
    owner = _owner(trial)
    return owner is not None and owner.is_me
