"""The trials of a study, run as there is room for them.

Workers must not change what is searched, so Optuna hears of endings by number, not by clock: trial n is drawn
when exactly the trials up to n - WINDOW have been told. Up to WINDOW workers are busy that way, and one worker
draws the same points as four.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from harness.contracts import Outcome, PlannedCell, TrialFound, Watcher
from harness.contracts.metrics import TRAIN_SECONDS
from harness.errors import HarnessError
from harness.tune.context import TuneContext
from harness.tune.optuna_space import Point
from harness.tune.pruning import Judge
from harness.tune.storage import faults_told
from harness.tune.trials import Trials

WINDOW: Final = 4


@dataclass(slots=True)
class Search:
    """Draws the cells of trials, and watches them: the driver hears of each epoch and each ending here."""

    context: TuneContext
    trials: Trials
    display: Watcher
    told: Callable[[TrialFound], None]
    """Called with each trial that Optuna has been told of."""
    window: int = WINDOW
    seconds_left: float = math.inf
    """Of the study's timeout: after it no trial is begun."""
    begun: float = field(default_factory=time.monotonic)
    open: dict[int, OpenTrial] = field(default_factory=dict)
    known: dict[tuple[str, ...], TrialFound] = field(default_factory=dict)
    """Trials that have ended, by their cells' keys; of equal ones the first."""

    def cells(self) -> Iterator[PlannedCell | None]:
        """Yield the cells of trials until the budget is spent; None while there is none until another ends."""
        for found in self.trials.all():
            self._know(found)
        self._adopt()
        while True:
            planned = self._next_cell()
            if planned is None and not any(each.running for each in self.open.values()):
                if self._adopt():
                    continue
                break
            yield planned
        for number in sorted(self.open):
            self._tell(number)

    def leave(self) -> None:
        """Let go of the trials that have not been told."""
        for number in self.open:
            self.trials.leave(number)

    def beat(self) -> None:
        """Tell other machines that the open trials are alive."""
        for number in tuple(self.open):
            self.trials.own(number)

    def started(self, planned: PlannedCell, device: str) -> None:
        """Pass it on."""
        self.display.started(planned, device)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the value of an epoch of a trial's first seed, and raise PrunedError where the trial is given up."""
        self.display.epoch(planned, epoch, metrics)
        trial = self._trial_of(planned)
        value = metrics.get(self.context.tune.objective.first.metric)
        if trial is None or value is None or planned.key != trial.cells[0].key:
            return
        with faults_told(self.trials.storage):  # ends the search; anything else would end the fit alone
            self.trials.hear(trial.found.number, epoch, value)
        if trial.judge is not None:
            trial.judge.hear(epoch, value)

    def ended(self, outcome: Outcome) -> None:
        """Note how a trial's cell has ended."""
        self.display.ended(outcome)
        trial = self._trial_of(outcome.planned)
        if trial is None:
            return
        trial.running = ""
        match outcome.state:
            case "finished" | "skipped" if outcome.metrics:
                self._done(trial, outcome)
            case "failed" if outcome.is_worth_retrying and self.trials.retry(trial.found):
                del self.open[trial.found.number]
            case "failed" | "pruned":
                self._end(trial, {"state": outcome.state, "note": outcome.message}, outcome)

    def _next_cell(self) -> PlannedCell | None:
        """Return the next cell to run; trials with nothing to run end on the way."""
        while True:
            for trial in list(self.open.values()):
                planned = self._cell_of(trial)
                if planned is not None:
                    trial.running = planned.key
                    return planned
            if not (self._is_to_draw() and self._has_room() and self._ask()):
                return None

    def _cell_of(self, trial: OpenTrial) -> PlannedCell | None:
        """Return a trial's next cell that is neither running nor finished before."""
        while not trial.has_ended and not trial.running and trial.waiting is not None:
            planned = trial.waiting
            if any(each.running == planned.key for each in self.open.values()):
                return None  # the same cell runs in another trial: it is waited for
            earlier = self.known.get(trial.keys)
            record = self.context.finished(planned)
            if earlier is not None:
                self._repeat(trial, earlier)
            elif record is None:
                return planned
            else:
                is_own = record.tags.get("harness.trial") == str(trial.found.number)
                outcome = Outcome(planned, "skipped", record.run_id, metrics=record.metrics)
                # its own from before an interruption counts with its time, another's costs nothing
                self._done(trial, replace(outcome, state="finished") if is_own else outcome)
        return None

    def _is_to_draw(self) -> bool:
        """Whether the budget allows another trial, or a second try waits."""
        return self.trials.has_waiting or (self.trials.points < self.context.budget and not self._is_over())

    def _has_room(self) -> bool:
        """Whether another trial can be open, after the oldest has been told where that makes room."""
        if len(self.open) >= self.window:
            oldest = min(self.open)
            if not self.open[oldest].has_ended:
                return False
            self._tell(oldest)
        return True

    def _is_over(self) -> bool:
        return time.monotonic() - self.begun > self.seconds_left

    def _ask(self) -> bool:
        """Draw a trial; False if another process has drawn the last one meanwhile."""
        with self.trials.drawing.held():
            if not self._is_to_draw():
                return False
            found = self.trials.ask(*self._fixed(self.trials.points))
        self._open(found)
        return True

    def _adopt(self) -> bool:
        """Take over what processes that are gone have left; whether there is anything more to do."""
        with self.trials.drawing.held():
            adopted = self.trials.adopt()
        for found in adopted:
            self._open(found)
            for planned in self.open[found.number].cells:
                self.context.bury(planned)
        return bool(adopted) or self.trials.has_waiting

    def _fixed(self, place: int) -> tuple[Point | None, tuple[str, ...]]:
        """Return the point that is not drawn: the experiment's own settings first, then those of a grid."""
        if self.trials.has_waiting:
            return None, ()
        if place == 0:
            return self.context.start
        return (self.context.grid[place - 1] if self.context.grid else None), ()

    def _open(self, found: TrialFound) -> None:
        """Take a trial for open: new, or left by another process, perhaps with nothing to do but to be told."""
        if found.state != "running":
            self.open[found.number] = OpenTrial(found, (), None)
            return
        try:
            cells = self.context.trial_cells(found)
        except HarnessError as error:
            trial = self.open[found.number] = OpenTrial(found, (), None)
            self._end(trial, {"state": "failed", "note": str(error)})
            return
        self.open[found.number] = OpenTrial(found, cells, self._judge(found, cells[0]))

    def _judge(self, found: TrialFound, planned: PlannedCell) -> Judge | None:
        recipe = planned.cell.recipe
        return self.trials.judge(found, recipe.epochs) if recipe else None

    def _know(self, found: TrialFound) -> None:
        if found.state != "running" and found.keys:
            self.known.setdefault(found.keys, found)

    def _repeat(self, trial: OpenTrial, earlier: TrialFound) -> None:
        """End a trial as an earlier one with the same cells has ended."""
        for epoch, value in earlier.epochs.items():
            self.trials.hear(trial.found.number, epoch, value)
        same = {"state", "values", "costs", "is_feasible", "run_ids", "note", "keys"}
        changes = {name: getattr(earlier, name) for name in same} | {"duplicate_of": earlier.number}
        trial.found = trial.found.model_copy(update=changes)
        self.trials.note(trial.found)

    def _done(self, trial: OpenTrial, outcome: Outcome) -> None:
        """Note a finished cell; after the last one the trial is complete."""
        trial.done[outcome.planned.key] = outcome
        if trial.waiting is None:
            self._end(trial, self._scores(trial))

    def _scores(self, trial: OpenTrial) -> dict[str, object]:
        """Return the means over seeds, or why there are none."""
        found = [trial.done[cell.key].metrics for cell in trial.cells]
        tune = self.context.tune
        wanted = [*(goal.metric for goal in tune.objective.goals), *tune.constraints]
        means = {name: fmean(each.get(name, math.nan) for each in found) for name in wanted}
        missing = [name for name in wanted if not math.isfinite(means[name])]
        if missing:
            return {"state": "failed", "note": f"no {missing[0]} was measured"}
        costs = {name: means[name] for name in tune.constraints}
        return {
            "state": "complete",
            "values": tuple(means[goal.metric] for goal in tune.objective.goals),
            "costs": costs,
            "is_feasible": all(costs[name] <= most for name, most in tune.constraints.items()),
        }

    def _end(self, trial: OpenTrial, changes: Mapping[str, object], last: Outcome | None = None) -> None:
        """Write down how a trial has ended; Optuna is told when its turn comes."""
        outcomes = [*trial.done.values(), *([last] if last else [])]
        fitted = [each for each in outcomes if each.state != "skipped" and not each.fit_run]
        trial.found = trial.found.model_copy(
            update={
                **changes,
                "keys": trial.keys,
                "run_ids": tuple(each.run_id for each in outcomes if each.run_id),
                "seconds": sum(each.metrics.get(TRAIN_SECONDS, each.seconds) for each in fitted),
            }
        )
        self.trials.note(trial.found)
        self.trials.mark(trial.found.number, trial.judge.marks if trial.judge else {})
        self._know(trial.found)

    def _tell(self, number: int) -> None:
        trial = self.open.pop(number)
        self.trials.tell(trial.found)
        self.told(trial.found)

    def _trial_of(self, planned: PlannedCell) -> OpenTrial | None:
        return next((each for each in self.open.values() if each.running == planned.key), None)


@dataclass(slots=True)
class OpenTrial:
    """A trial that Optuna has not been told of; `cells` has one a seed, `done` the finished ones."""

    found: TrialFound
    cells: Sequence[PlannedCell]
    judge: Judge | None
    done: dict[str, Outcome] = field(default_factory=dict)
    running: str = ""
    """The key of the cell that runs."""

    @property
    def has_ended(self) -> bool:
        """Whether it only waits to be told."""
        return self.found.state != "running"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its cells."""
        return tuple(cell.key for cell in self.cells)

    @property
    def waiting(self) -> PlannedCell | None:
        """The next cell to run."""
        return next((cell for cell in self.cells if cell.key not in self.done), None)
