"""A tuning study from start to end: search, confirmation on fresh seeds, one winner, one opening for each of its seeds.

The best few by search score run again on fresh seeds; of those the best mean wins. What is there already is not done
again, and what has opened the test set is not searched on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean, stdev
from typing import Literal, Protocol

from harness.contracts import Confirmation, Outcome, PlannedCell, StudyPlan, TrialFound, Tune, Tuning, Watcher
from harness.contracts.tuned import Stage
from harness.errors import InputError, StoreError
from harness.execute.driver import check_leakage, driver_environment, machine_tags
from harness.execute.executor import Executor, Places
from harness.execute.plan import RunSettings
from harness.execute.recording import RunContext
from harness.execute.work import Work
from harness.interrupts import Interrupts
from harness.track import EndStatus
from harness.tune.context import TuneContext
from harness.tune.logging import importances, log_trial, log_tuning, start_study_run
from harness.tune.optuna_space import seed_of
from harness.tune.search import WINDOW, Search
from harness.tune.storage import faults_told
from harness.tune.trials import Choice, StoredStudy, find_study, open_study

State = Literal["done", "failed", "interrupted", "elsewhere", "skipped"]
_END: dict[State, EndStatus] = {"failed": "FAILED", "interrupted": "KILLED"}


@dataclass(frozen=True, slots=True)
class TuneOutcome:
    """How a tuning study ended in this session; `skipped` had nothing left to do, `elsewhere` goes on there."""

    name: str
    state: State
    tuning: Tuning
    message: str = ""
    final: Outcome | None = None


class TuneWatcher(Watcher, Protocol):
    """Shows a tuning study as it goes, beside the cells that run."""

    def study_begins(self, name: str, tune: Tune, done: int, budget: int) -> None:
        """A study begins or goes on: `done` of `budget` trials were there already."""

    def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
        """A trial has ended; `best` is the best so far."""

    def stage_begins(self, name: str, text: str, fits: int) -> None:
        """The confirmation or the final fit begins; `text` says what of, `fits` how many there are still to be."""


def run_tuning(context: TuneContext, executor: Executor, settings: RunSettings, watcher: TuneWatcher) -> TuneOutcome:
    """Search, confirm, fix the winner, fit it and open the test set once: whatever of this is missing.

    Raises:
        InputError: a study of another space has this name, or more is asked of one that has opened its test set.
        StoreError: a store cannot be reached.
    """
    stored = open_study(context, context.store.home)
    with faults_told(stored.storage):
        _refuse_reopening(stored)
        if is_done(stored):
            return TuneOutcome(context.name, "skipped", _tuning_of(stored, "done"))
        return _run(stored, executor, settings, watcher)


def _run(stored: StoredStudy, executor: Executor, settings: RunSettings, watcher: TuneWatcher) -> TuneOutcome:
    context = stored.context
    places = executor.places(settings)
    with Interrupts() as interrupts, context.store.spooling():
        run = _run_context(stored, settings, places, watcher, interrupts)
        session = _Session(stored, run, settings, watcher)
        state: State = "interrupted"
        try:
            with executor:
                state = session.run(executor)
        except KeyboardInterrupt:
            pass  # the state says it
        finally:
            with suppress(StoreError):
                session.close(state)
    return TuneOutcome(context.name, state, _tuning_of(stored, session.stage), session.message, session.final)


def _run_context(
    stored: StoredStudy, settings: RunSettings, places: Places, watcher: Watcher, interrupts: Interrupts
) -> RunContext:
    context, tags = stored.context, machine_tags(settings, places.names)
    environment = driver_environment(settings, places.names)
    with interrupts.shield(), stored.beginning.held():
        parent = start_study_run(context, tags, environment.text)
    return RunContext(
        store=context.store,
        watcher=watcher,
        interrupts=interrupts,
        places=places,
        study=context.study,
        parent=parent,
        tags=tags,
        environment=environment,
        plugins=settings.plugins,
        with_models=not settings.smoke,
    )


def refuse_what_cannot_go_on(context: TuneContext) -> None:
    """Refuse, before anything starts, what `run_tuning` would refuse. Nothing is created.

    Raises:
        InputError: a study of another space has this name, or more is asked of one that has opened its test set.
    """
    stored = find_study(context, context.store.home)
    if stored is not None:
        _refuse_reopening(stored)


def _refuse_reopening(stored: StoredStudy) -> None:
    """Refuse to choose again after the test set has been opened for the winner.

    Raises:
        InputError: naming the winner and when it was opened.
    """
    choice = stored.choice
    if choice is None or (stored.is_searched and not _is_to_choose(stored)):
        return
    openings = stored.context.store.openings([*choice.keys, choice.key])
    if openings:
        raise InputError(
            f"{stored.context.mark}: trial {choice.winner} won this study and opened the test set at "
            f"{openings[0].time}; a winner chosen after that would be chosen with the test set known. "
            "To search further give the file's study another name"
        )


def is_done(stored: StoredStudy) -> bool:
    """Whether the winner is fixed by these very settings and its cells are finished."""
    if not stored.is_searched or _is_to_choose(stored):
        return False
    return all(stored.context.finished(each, any_source=True) for each in _finals_of(stored))


def _is_to_choose(stored: StoredStudy) -> bool:
    """Whether no winner is fixed, or one by other trials or other settings than there are now."""
    choice = stored.choice
    if choice is None or choice.points != stored.trials.points or choice.confirm != _confirm_text(stored):
        return True
    return choice.key != _finals_of(stored)[0].key


def _confirm_text(stored: StoredStudy) -> str:
    confirm = stored.context.tune.confirm
    return confirm.model_dump_json() if confirm else ""


def _finals_of(stored: StoredStudy) -> tuple[PlannedCell, ...]:
    """Return the cells of the winner that is fixed, one a seed; a search of an earlier version has its first alone."""
    choice = stored.choice
    assert choice is not None
    cells = stored.context.final_cells(_trial(stored, choice.winner))
    return cells if choice.keys else cells[:1]


def _trial(stored: StoredStudy, number: int) -> TrialFound:
    return next(each for each in stored.trials.all() if each.number == number)


def _tuning_of(stored: StoredStudy, stage: Stage) -> Tuning:
    """Return all that the study has found."""
    context, choice = stored.context, stored.choice
    finals = _finals_of(stored) if choice else ()
    return Tuning(
        study=context.study,
        experiment=context.name,
        tune=context.tune,
        stage=stage,
        trials=stored.trials.all(),
        confirmed=choice.confirmed if choice else (),
        winner=choice.winner if choice else None,
        winner_time=choice.time if choice else "",
        importances=importances(stored.study, seed_of(context.title, 0)),
        seconds=stored.seconds,
        retried=stored.trials.retried,
        final=finals[0] if finals else None,
        other_finals=finals[1:],
    )


class _Session:
    """One process's share of a study."""

    def __init__(self, stored: StoredStudy, run: RunContext, settings: RunSettings, watcher: TuneWatcher) -> None:
        self.stored = stored
        self.stage: Stage = "search"
        self.message = ""
        self.final: Outcome | None = None
        self._run = run
        self._settings = settings
        self._watcher = watcher
        self._best: TrialFound | None = None
        self._clock = time.monotonic()

    def run(self, executor: Executor) -> State:
        """Do what is missing, in the order search, confirmation, choice, final fit."""
        stored = self.stored
        if not stored.is_searched or stored.trials.has_running:
            self._search(executor)
        if stored.trials.is_shared():
            self.message = "trials run in other processes; the last of them chooses the winner"
            return "elsewhere"
        if not stored.choosing.take():
            self.message = "another process chooses the winner and opens the test set for it"
            return "elsewhere"
        with stored.storage.beating(stored.choosing.take):
            return self._conclude(executor)

    def _conclude(self, executor: Executor) -> State:
        try:
            is_chosen = not _is_to_choose(self.stored) or self._choose(executor)
            return self._finish(executor) if is_chosen else "failed"
        finally:
            self.stored.choosing.release()

    def close(self, state: State) -> None:
        """Log what was found and end the study's run in its true state."""
        self._count_time()
        if state == "elsewhere":  # where it goes on, what was found is logged
            return
        context, run_id = self.stored.context, self._run.parent
        log_tuning(context, run_id, _tuning_of(self.stored, self.stage))
        if not self.stored.trials.is_shared():
            context.store.end(run_id, _END.get(state, "FINISHED"), self.message if state == "failed" else "")

    def _search(self, executor: Executor) -> None:
        stored, tune = self.stored, self.stored.context.tune
        done = [each for each in stored.trials.all() if each.state != "running"]
        self._best = next(iter(_ranked(done, tune)), None)
        self._watcher.study_begins(stored.context.name, tune, len(done), stored.context.budget)
        workers = len(self._run.places.names) if self._settings.packed else self._settings.workers
        search = Search(stored.context, stored.trials, self._watcher, self._told, max(WINDOW, workers))
        if tune.timeout is not None:
            search.seconds_left = tune.timeout - stored.seconds
        with stored.storage.beating(search.beat), self._working(search, "trial", retry=0) as work:
            try:
                work.run(executor, search.cells())
            finally:
                search.leave()

    def _told(self, found: TrialFound) -> None:
        self._count_time()
        tune = self.stored.context.tune
        able = _ranked([each for each in (self._best, found) if each is not None], tune)
        self._best = able[0] if able else None
        log_trial(self.stored.context, self._run.parent, found, self._best)
        self._watcher.trial_told(self.stored.context.name, found, self._best)

    def _choose(self, executor: Executor) -> bool:
        """Fix the winner; False if no trial can be one."""
        stored, tune = self.stored, self.stored.context.tune
        able = _ranked(stored.trials.all(), tune)
        confirmed: tuple[Confirmation, ...] = ()
        if able and tune.confirm is not None:
            self.stage = "confirm"
            confirmed = self._confirmed(executor, able[: tune.confirm.top])
            chosen = winner(confirmed, tune)
        else:
            chosen = able[0].number if able else None
        if chosen is None:
            self.message = _why_none(stored.trials.all(), bool(able))
            return False
        self._count_time()
        keys = tuple(each.key for each in stored.context.final_cells(_trial(stored, chosen)))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        points, confirm = stored.trials.points, _confirm_text(stored)
        stored.choose(
            Choice(winner=chosen, time=now, key=keys[0], confirm=confirm, points=points, confirmed=confirmed, keys=keys)
        )
        tags = {"harness.winner": str(chosen), "harness.winner_time": now, "harness.winner_key": keys[0]}
        store = stored.context.store
        store.note(
            "winner",
            stored.context.study,
            self._run.parent,
            experiment=stored.context.name,
            winner=chosen,
            keys=list(keys),
        )
        store.tag(self._run.parent, tags)
        return True

    def _confirmed(self, executor: Executor, able: Sequence[TrialFound]) -> tuple[Confirmation, ...]:
        context = self.stored.context
        cells = {each.number: context.confirmation_cells(each) for each in able}
        every = [cell for each in cells.values() for cell in each]
        for planned in every:
            context.bury(planned)
        numbers = ", ".join(str(each.number) for each in able)
        self._watcher.stage_begins(
            context.name,
            f"trials {numbers} again on fresh seeds, {len(every)} fits",
            len(every) + len(context.tune.seeds),
        )
        with self._working(self._watcher, "trial", retry=1) as work:
            work.run(executor, every)
        metric = context.tune.objective.first.metric
        return tuple(
            _confirmation(each, [work.outcomes[cell.id] for cell in cells[each.number]], metric) for each in able
        )

    def _finish(self, executor: Executor) -> State:
        """Fit the winner with each seed of the experiment and open the test set for each."""
        self.stage = "final"
        context, found, finals = self.stored.context, _tuning_of(self.stored, "final"), _finals_of(self.stored)
        for planned in finals:
            context.bury(planned)
        log_tuning(context, self._run.parent, found)
        seeds = f" with {len(finals)} seeds" if len(finals) > 1 else ""
        self._watcher.stage_begins(context.name, f"the winner, trial {found.winner}{seeds}", len(finals))
        with self._working(self._watcher, "cell", retry=1) as work:
            work.run(executor, list(finals))
        outcomes = [work.outcomes[planned.id] for planned in finals]
        self.final = outcomes[0]
        for outcome in outcomes:
            if outcome.state == "failed" or not (outcome.metrics or outcome.state == "finished"):
                self.final, self.message = outcome, outcome.message
                return "failed"
        self.stage = "done"
        plan = StudyPlan(study=context.study, matrix="", cells=finals)
        check_leakage(self._run, plan, self._settings)
        return "done"

    @contextmanager
    def _working(self, watcher: Watcher, kind: Literal["cell", "trial"], retry: int) -> Iterator[Work]:
        """Yield what runs cells; what still runs at the end is ended as interrupted."""
        with_models = self._run.with_models and kind == "cell"
        run = replace(self._run, watcher=watcher, kind=kind, with_models=with_models)
        settings = replace(self._settings, retry=max(retry, self._settings.retry) if retry else 0, fail_fast=False)
        work = Work(run, settings, {})
        try:
            yield work
        finally:
            with suppress(StoreError):
                work.settle()

    def _count_time(self) -> None:
        """Count the time since the last call, unless the winner is fixed: what follows is no search."""
        now = time.monotonic()
        if self.stage in {"search", "confirm"}:
            self.stored.add_seconds(now - self._clock)
        self._clock = now


def _ranked(trials: Sequence[TrialFound], tune: Tune) -> list[TrialFound]:
    """Return the trials that may win, the best first: complete, within all constraints, each setting once."""
    sign = -1 if tune.objective.first.direction == "maximize" else 1
    able = [each for each in trials if each.state == "complete" and each.is_feasible and each.duplicate_of is None]
    return sorted(able, key=lambda each: (sign * each.values[0], each.number))


def _confirmation(found: TrialFound, outcomes: Sequence[Outcome], metric: str) -> Confirmation:
    """Return what a trial's runs on fresh seeds say; a run that failed has no value."""
    values = [outcome.metrics[metric] for outcome in outcomes if metric in outcome.metrics]
    values = [value for value in values if math.isfinite(value)]
    return Confirmation(
        trial=found.number,
        values=tuple(values),
        mean=fmean(values) if values else None,
        standard_error=stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None,
        run_ids=tuple(outcome.run_id for outcome in outcomes if outcome.run_id),
    )


def winner(confirmed: Sequence[Confirmation], tune: Tune) -> int | None:
    """Return the number of the trial with the best mean, in case of a tie the better one in the search.

    A trial that failed on one of the fresh seeds cannot win over one that did not.
    """
    sign = -1 if tune.objective.first.direction == "maximize" else 1
    most = max((len(each.values) for each in confirmed), default=0)
    whole = [each for each in confirmed if each.mean is not None and len(each.values) == most]
    best = min(whole, key=lambda each: sign * (each.mean or 0.0), default=None)
    return None if best is None else best.trial


def _why_none(trials: Sequence[TrialFound], was_confirmed: bool) -> str:
    """Return why there is no winner."""
    if was_confirmed:
        return "no winner: every run of the confirmation failed"
    complete = [each for each in trials if each.state == "complete"]
    if complete:
        return f"no winner: none of the {len(complete)} complete trials keeps the constraints"
    notes = next((each.note for each in trials if each.note), "")
    return f"no winner: none of the {len(trials)} trials is complete{f' ({notes})' if notes else ''}"
