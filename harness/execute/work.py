"""The cells that run now: begun as there is room, ended as they end, tried again when the machine was at fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from filelock import FileLock

from harness.contracts import Cell, Outcome, PlannedCell, Result, SealedSet
from harness.contracts.metrics import PEAK_BYTES
from harness.contracts.running import ELSEWHERE, Job
from harness.errors import StoreAwayError, StoreRefusedError
from harness.execute.executor import Executor, Failure, JobResult
from harness.execute.locks import folder_of, is_alive, take
from harness.execute.packing import kind_of
from harness.execute.plan import RunSettings
from harness.execute.recording import CellRun, Fitted, RunContext, begin, find_fitted, threads_for
from harness.track.client import hasty
from harness.track.runs import THREADS, standing_of

MICRO_BATCH: Final = "harness.micro_batch"
"""Tag of a run whose batches were taken in parts: images in the largest part."""


@dataclass(slots=True)
class Work:
    """Open runs, held locks and outcomes so far, by the id of the cell. Interrupts come between steps, not within."""

    context: RunContext
    settings: RunSettings
    outcomes: dict[str, Outcome]
    _drawn: dict[str, PlannedCell] = field(default_factory=dict)
    _active: dict[str, CellRun] = field(default_factory=dict)
    _locks: dict[str, FileLock] = field(default_factory=dict)
    _attempts: dict[str, Attempt] = field(default_factory=dict)
    _fitted: dict[str, Fitted | None] = field(default_factory=dict)
    _again: deque[PlannedCell] = field(default_factory=deque)
    """Cells that failed by no fault of theirs, to be tried once more when no other is to be begun."""

    def run(self, executor: Executor, cells: Iterable[PlannedCell | None]) -> None:
        """Run cells, and again those that failed for want of luck, as the settings allow.

        Cells are drawn when there is room for one; None means that there is none until a running one is heard.
        """
        for ended in executor.run(self._jobs(cells), lambda job: self._active[job.id]):
            self.context.spool.check()
            if ended is None:
                continue
            job, result = ended
            if isinstance(result, Failure) and self._is_tried_again(job.id, result):
                continue
            self._end(job.id, result)
            if isinstance(result, Failure) and self.settings.fail_fast:
                return

    def settle(self) -> None:
        """End what is still open as interrupted."""
        for cell_id, run in list(self._active.items()):
            self._close(cell_id, run.kill())
        while self._locks:
            self._locks.popitem()[1].release()

    def _jobs(self, cells: Iterable[PlannedCell | None]) -> Iterator[Job | None]:
        """Yield the jobs of the cells that no other process runs or has finished meanwhile, each as it has room."""
        for planned in self._cells(cells):
            if planned is None:
                yield None
                continue
            if self._is_being_fitted(planned):
                self._again.append(planned)
                continue
            self._drawn[planned.id] = planned
            while self._place(planned) is None:
                yield None
            while (job := self._begun(planned)) == "store away":
                if self._active:  # its cells are heard meanwhile
                    yield None
                else:
                    self.context.spool.wait()
            if job is not None:
                yield job

    def _begun(self, planned: PlannedCell) -> Job | Literal["store away"] | None:
        """Begin a cell, unless it runs or is finished elsewhere, or the store cannot be asked right now."""
        try:
            with hasty(), self.context.interrupts.shield():
                self.context.spool.settle()
                if not self._take(planned):
                    return None
                job, attempt, fitted = self._job(planned), self._attempt(planned.id), self._fitted[planned.id]
                how = {**attempt.tags(planned.cell), **(fitted.tags if fitted is not None else {})}
                threads = int(how.get(THREADS, job.threads))
                self._active[planned.id] = begin(self.context, planned, threads, how, attempt.text(planned.cell))
        except StoreAwayError:
            return "store away"
        except StoreRefusedError as error:
            self._close(planned.id, Outcome(planned, "failed", message=str(error)))
            return None
        return job

    def _cells(self, cells: Iterable[PlannedCell | None]) -> Iterator[PlannedCell | None]:
        """Yield the cells and, where there is none, those to be tried again; None for as long as there may be more."""
        for planned in cells:
            yield planned if planned is not None else self._next_again()
        while self._again or self._active:
            yield self._next_again()

    def _next_again(self) -> PlannedCell | None:
        planned = next((each for each in self._again if not self._is_being_fitted(each)), None)
        if planned is not None:
            self._again.remove(planned)
        return planned

    def _is_being_fitted(self, planned: PlannedCell) -> bool:
        """Whether a cell runs that leaves the model that this one needs: it is waited for, not fitted twice."""
        fits = {run.planned.fit or run.planned.key for run in self._active.values()}
        return (planned.fit or planned.key) in fits

    def _place(self, planned: PlannedCell) -> str | None:
        """Keep a place for the cell; None while there is no room."""
        attempt = self._attempt(planned.id)
        return self.context.places.place(planned.id, kind_of(planned.cell, attempt.parts), attempt.alone)

    def _take(self, planned: PlannedCell) -> bool:
        """Lock the cell; False if another process runs it, or has finished it since the plan was looked up."""
        store = self.context.store
        lock = self._locks.get(planned.id) or take(store, planned.key)
        if lock is None:
            self._close(planned.id, Outcome(planned, "skipped", message=ELSEWHERE))
            return False
        self._locks[planned.id] = lock
        records = store.cell_records([planned.key])[planned.key]
        if store.artifacts is None and any(each.status == "RUNNING" and is_alive(each) for each in records):
            self._close(planned.id, Outcome(planned, "skipped", message=f"{ELSEWHERE}, on another machine"))
            return False
        now = standing_of(planned, records)
        if now.state == "done" and now.run is not None:
            self._close(planned.id, Outcome(planned, "skipped", now.run.run_id, metrics=now.run.metrics))
            return False
        self._fitted[planned.id] = find_fitted(self.context.store, planned)
        return True

    def _job(self, planned: PlannedCell) -> Job:
        fitted = self._fitted[planned.id]
        return Job(
            key=planned.key,
            id=planned.id,
            cell=planned.cell,
            folder=folder_of(self.context.store.home, planned.key),
            cache=self.settings.cache_folder,
            device=self.settings.device,
            threads=threads_for(self.context.store, planned, self.settings.threads),
            plugins=self.settings.plugins,
            smoke=self.settings.smoke,
            light=self.context.kind == "trial",
            gpu_share=self.settings.gpu_share,
            parts=self._attempt(planned.id).parts,
            data_fingerprint=planned.data_fingerprint,
            test_set=SealedSet(planned.test_files),
            fitted=fitted.folder if fitted is not None else None,
        )

    def _attempt(self, cell_id: str) -> Attempt:
        return self._attempts.get(cell_id, Attempt())

    def _end(self, cell_id: str, result: JobResult) -> None:
        with self.context.interrupts.shield():
            run = self._active[cell_id]
            if isinstance(result, Result) and run.planned.cell.recipe is not None:
                self.context.places.leave(cell_id, result.metrics.get(PEAK_BYTES, 0.0))
            self._close(cell_id, _ended(run, result))

    def _is_tried_again(self, cell_id: str, failure: Failure) -> bool:
        """Whether the cell has another try, which it is then queued for."""
        planned = self._drawn[cell_id]
        had_neighbors = failure.kind == "memory" and self.context.places.ran_out(cell_id)
        following = self._attempt(cell_id).next(planned.cell, failure, self.settings.retry, had_neighbors)
        if following is None:
            return False
        told = replace(failure, message=f"{failure.message}; tried again{following.text(planned.cell)}")
        with self.context.interrupts.shield():
            self.context.places.leave(cell_id)
            _ended(self._active.pop(cell_id), told)
            self._locks.pop(cell_id).release()
            self._attempts[cell_id] = following
            self._again.append(planned)
        return True

    def _close(self, cell_id: str, outcome: Outcome) -> None:
        """Record the outcome of a cell and let go of it."""
        self.context.places.leave(cell_id)
        self._active.pop(cell_id, None)
        lock = self._locks.pop(cell_id, None)
        if lock is not None:
            self.context.spool.release(lock, outcome.run_id)
        self.outcomes[cell_id] = outcome
        self.context.watcher.ended(outcome)


def _ended(run: CellRun, result: JobResult) -> Outcome:
    """End a cell's run; what the store does not take of it fails the cell."""
    try:
        run.warn(result.warnings)
        return run.fail(result) if isinstance(result, Failure) else run.finish(result)
    except StoreRefusedError as error:
        return run.refused(str(error))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a cell; the first is `Attempt()`."""

    parts: int = 1
    """In how many micro-batches each batch is taken."""
    alone: bool = False
    """Whether nothing else of ours may run on its GPU meanwhile."""
    failures: int = 0
    """Tries before this one that count against `--retry`."""

    def next(self, cell: Cell, failure: Failure, retry: int, had_neighbors: bool) -> Attempt | None:
        """Return the try after a failure; None if there is to be none.

        Memory that ran out beside other cells is nobody's fault but the packing's: the cell is tried again by
        itself, unchanged, and that does not count. Memory that ran out otherwise halves the micro-batch.

        Args:
            cell: What was tried.
            failure: Why it has no result.
            retry: How many failures are followed by another try.
            had_neighbors: Whether other cells of this run were on its GPU when it failed.
        """
        if failure.kind == "memory" and had_neighbors:
            return replace(self, alone=True)
        if not failure.is_worth_retrying or self.failures >= retry:
            return None
        parts = self.parts
        if failure.kind == "memory" and cell.recipe is not None:
            parts = min(2 * parts, cell.recipe.batch_size)
        return replace(self, parts=parts, failures=self.failures + 1)

    def tags(self, cell: Cell) -> Mapping[str, str]:
        """Return what a run has to say of how it was tried: nothing where all was as the recipe says."""
        return {} if self.parts == 1 else {MICRO_BATCH: str(self._micro_batch(cell))}

    def text(self, cell: Cell) -> str:
        """Return how the cell is tried, as words that follow "tried again" or the device's name; empty if as usual."""
        parts = f" in micro-batches of {self._micro_batch(cell)} images" if self.parts > 1 else ""
        return f"{' with no other cell beside it' if self.alone else ''}{parts}"

    def _micro_batch(self, cell: Cell) -> int:
        assert cell.recipe is not None
        return -(-cell.recipe.batch_size // self.parts)
