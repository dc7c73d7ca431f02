"""The cells that run now: begun as there is room for them, ended as they end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from filelock import FileLock

from harness.contracts import Outcome, PlannedCell
from harness.contracts.job import Job
from harness.execute.cell_run import CellRun, Surroundings, begin
from harness.execute.endings import Ending, Failure
from harness.execute.executor import Executor
from harness.execute.locks import folder_of, take
from harness.execute.settings import RunSettings


@dataclass(slots=True)
class Work:
    """Open runs and held locks by key, and the outcomes so far. Interrupts come between steps, not within."""

    around: Surroundings
    settings: RunSettings
    device: str
    outcomes: dict[str, Outcome]
    _active: dict[str, CellRun] = field(default_factory=dict)
    _locks: dict[str, FileLock] = field(default_factory=dict)

    def run(self, executor: Executor, cells: Iterable[PlannedCell | None]) -> None:
        """Run cells, and once more each time those that failed for want of luck, as the settings allow.

        Cells are drawn when there is room for one; None means that there is none until a running one ends.
        """
        for tries_left in range(self.settings.retry, -1, -1):
            cells = self._round(executor, cells, is_last=tries_left == 0)

    def settle(self) -> None:
        """End what is still open as interrupted."""
        for key, run in list(self._active.items()):
            self._close(key, run.kill())
        while self._locks:
            self._locks.popitem()[1].release()

    def _round(
        self, executor: Executor, cells: Iterable[PlannedCell | None], is_last: bool
    ) -> list[PlannedCell | None]:
        """Run cells once and return those to be tried again."""
        drawn: dict[str, PlannedCell] = {}
        again: list[PlannedCell | None] = []
        for job, ending in executor.run(self._jobs(cells, drawn), lambda job: self._begin(drawn[job.key])):
            if isinstance(ending, Failure) and ending.is_worth_retrying and not is_last:
                self._fail_for_now(job.key, ending)
                again.append(drawn[job.key])
                continue
            self._end(job.key, ending)
            if isinstance(ending, Failure) and self.settings.fail_fast:
                return []
        return again

    def _jobs(self, cells: Iterable[PlannedCell | None], drawn: dict[str, PlannedCell]) -> Iterator[Job | None]:
        """Yield the jobs of the cells that no other process runs or has finished meanwhile; note them in `drawn`."""
        for planned in cells:
            if planned is None:
                yield None
                continue
            drawn[planned.key] = planned
            with self.around.interrupts.shield():
                is_ours = self._take(planned)
            if is_ours:
                yield self._job(planned)

    def _take(self, planned: PlannedCell) -> bool:
        """Lock the cell; False if another process runs it, or has finished it since the plan was looked up."""
        lock = take(self.around.store.home, planned.key)
        if lock is None:
            self._close(planned.key, Outcome(planned, "skipped", message="runs elsewhere"))
            return False
        self._locks[planned.key] = lock
        for record in self.around.store.cell_records([planned.key])[planned.key]:
            if record.status == "FINISHED" and record.tags.get("harness.source_digest") == planned.source_digest:
                self._close(planned.key, Outcome(planned, "skipped", record.run_id, metrics=record.metrics))
                return False
        return True

    def _job(self, planned: PlannedCell) -> Job:
        return Job(
            key=planned.key,
            cell=planned.cell,
            folder=folder_of(self.around.store.home, planned.key),
            cache=self.settings.cache_folder,
            device=self.device,
            threads=self.settings.threads,
            plugins=self.settings.plugins,
            smoke=self.settings.smoke,
            light=self.around.kind == "trial",
        )

    def _begin(self, planned: PlannedCell) -> CellRun:
        with self.around.interrupts.shield():
            run = begin(self.around, planned)
            self._active[planned.key] = run
            self.around.watcher.started(planned, self.device)
        return run

    def _end(self, key: str, ending: Ending) -> None:
        with self.around.interrupts.shield():
            run = self._active[key]
            self._close(key, run.fail(ending) if isinstance(ending, Failure) else run.finish(ending))

    def _fail_for_now(self, key: str, failure: Failure) -> None:
        with self.around.interrupts.shield():
            self._active.pop(key).fail(failure)
            self._locks.pop(key).release()

    def _close(self, key: str, outcome: Outcome) -> None:
        """Record the outcome of a cell and let go of it."""
        self._active.pop(key, None)
        lock = self._locks.pop(key, None)
        if lock is not None:
            lock.release()
        self.outcomes[key] = outcome
        self.around.watcher.ended(outcome)
