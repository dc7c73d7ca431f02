"""A tuning study as it goes, on stderr, with the lines of a run and the best trial so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean

from rich.console import Console

from harness.cli.console import tell
from harness.cli.progress import watching
from harness.cli.run_progress import RunProgress, seconds_of
from harness.contracts import Outcome, PlannedCell, TrialFound, Tune, Watcher
from harness.execute.estimate import Rates, Workers
from harness.tune.searches import most_fits
from harness.tune.study import TuneWatcher
from harness.words import amount


@contextmanager
def watching_study(tune: Tune, workers: Workers, console: Console, verbosity: int) -> Iterator[TuneWatcher]:
    """Show a tuning study on `console` for as long as the context lasts; `verbosity` as in `watching`."""
    progress = SearchProgress(most_fits(tune), workers)
    with watching(progress, console, verbosity) as cells:
        yield SearchWatcher(progress, cells, console, verbosity)


class SearchProgress(RunProgress):
    """Follows cells that are not known before: `total` is how many there are at most."""

    def __init__(self, total: int, workers: Workers) -> None:
        super().__init__((), Rates(), workers)
        self._total = total
        self._seconds: list[float] = []

    @property
    def total(self) -> int:
        """How many cells are to be run at most."""
        return self._total

    def follows(self, planned: PlannedCell) -> bool:
        """Whether a cell is one of those to be run now."""
        return True

    def expect(self, fits: int) -> None:
        """Take so many fits for all that are left."""
        with self.lock:
            self._total = self.ended_count + fits

    def leave_out(self, fits: int) -> None:
        """Take fits off the total that are done already, or not needed."""
        with self.lock:
            self._total = max(1, self._total - fits)

    def ended(self, outcome: Outcome) -> None:
        """Note how long a cell took."""
        with self.lock:
            super().ended(outcome)
            if outcome.state in {"finished", "pruned"}:
                self._seconds.append(seconds_of(outcome))

    def _done(self) -> float:
        """Return the share of the fits that are over: which they will be is not known before."""
        over = self.ended_count + sum(each.share for each in self._running.values())
        return min(1.0, over / max(1, self._total))

    def seconds_left(self) -> float | None:
        """Return a guess of the time left, by the cells so far; None before the first."""
        with self.lock:
            if not self._seconds:
                return None
            return fmean(self._seconds) * max(0, self._total - self.ended_count) / self.at_work


class SearchWatcher:
    """Passes on what cells say, and says when a trial is the best so far."""

    def __init__(self, progress: SearchProgress, cells: Watcher, console: Console, verbosity: int) -> None:
        self._progress = progress
        self._cells = cells
        self._console = console
        self._verbosity = verbosity
        self._best: int | None = None

    def started(self, planned: PlannedCell, device: str) -> None:
        """Pass it on."""
        self._cells.started(planned, device)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Pass it on."""
        self._cells.epoch(planned, epoch, metrics)

    def ended(self, outcome: Outcome) -> None:
        """Pass it on."""
        self._cells.ended(outcome)

    def study_begins(self, name: str, tune: Tune, done: int, budget: int) -> None:
        """Say what is searched."""
        self._progress.leave_out(done * tune.objective.seeds + (tune.trials - budget) * tune.objective.seeds)
        before = f", {done} of {budget} are done already" if done else ""
        goal = tune.objective.first
        pruner = "" if tune.pruner == "none" else f" and {tune.pruner} pruning"
        to_do = amount(max(0, budget - done), "trial")
        self._say(f"{name}: {to_do} by {tune.sampler}{pruner} to {goal.direction} {goal.metric}{before}")

    def trial_told(self, name: str, found: TrialFound, best: TrialFound | None) -> None:
        """Say which trial is the best, as soon as there is a better one; and why one failed."""
        if found.duplicate_of is not None:
            self._progress.leave_out(len(found.keys))
        if best is not None and best.number != self._best:
            self._best = best.number
            point = ", ".join(f"{path} {_shown(value)}" for path, value in best.params.items())
            self._say(f"{name}: best is trial {best.number}, {best.values[0]:.4f}: {point or 'as in the file'}")

    def stage_begins(self, name: str, text: str, fits: int) -> None:
        """Say what comes next; what other processes have fitted is not waited for any more."""
        self._progress.expect(fits)
        self._say(f"{name}: {text}")

    def _say(self, line: str) -> None:
        if self._verbosity >= 0:
            tell(self._console, line)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
