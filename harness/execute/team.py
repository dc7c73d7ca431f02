"""Workers of any executor: each runs one job after another, is heard, and is replaced when it dies or hangs.

What a worker is and how one talks to it is a `Link`: a process and a pipe in `pipe.py`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from harness.contracts.running import Job
from harness.errors import HarnessError, StalledError, StoreAwayError, StoreError, StoreRefusedError
from harness.execute.executor import (
    LEAVE_SECONDS,
    PAUSE_SECONDS,
    Answer,
    Began,
    EpochDone,
    Failure,
    JobEnded,
    JobListener,
    JobResult,
    Message,
    OpeningAsked,
    Places,
    SignOfLife,
    failure_of,
)
from harness.execute.packing import Packing, open_packing
from harness.execute.plan import RunSettings
from harness.interrupts import LOOK_SECONDS, is_urgent
from harness.phases import phase
from harness.words import round_duration

SILENT_SECONDS: Final = 300.0
"""Without a sign of life, after which a worker counts as hung: no call that holds the interpreter takes so long."""


class Link(Protocol):
    """A worker as the driver knows it: what is told and heard, and how it ends."""

    def send(self, message: Job | Answer) -> None:
        """Tell it something.

        Raises:
            OSError: it is gone.
        """

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a machine to run on, and has not been given its job yet."""

    def receive(self) -> Message | None:
        """Return the next thing that it tells; called when there is one, or there was none for a while.

        Raises:
            EOFError, OSError: it is gone.
        """

    def ask_to_leave(self) -> None:
        """Have it save what it can and end."""

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""

    def cause_of_death(self) -> HarnessError:
        """Return why one that is gone has ended; one that takes its time to end is not waited for."""

    def tell_where_it_is(self) -> None:
        """Have it print where its threads are, if it can still do that."""

    def last_words(self) -> str:
        """Return the end of what it printed."""

    def stop(self) -> None:
        """End it, whatever it does, with all that it has started."""


@dataclass(slots=True)
class Team(ABC):
    """Up to `workers` workers with `threads` CPU threads each, started as jobs come.

    A job that takes longer than `cell_timeout` seconds is ended, and so is one whose worker says nothing for
    `silent_seconds`.
    """

    workers: int
    threads: int
    run_cell: str
    cell_timeout: float | None = None
    silent_seconds: float = SILENT_SECONDS
    _team: list[Worker] = field(default_factory=list)
    _packing: Packing | None = None

    @abstractmethod
    def open(self, job: Job) -> Link:
        """Start a worker that can run a job."""

    @abstractmethod
    def ready(self, links: Sequence[Link], seconds: float) -> Sequence[Link]:
        """Wait until there is something to be received by one of the links, at most so long; return those."""

    def places(self, settings: RunSettings) -> Places:
        """Return the packing of this machine's devices.

        Raises:
            InputError: there is no such device.
        """
        self._packing = open_packing(settings)
        return self._packing

    def run(
        self, jobs: Iterable[Job | None], listener: Callable[[Job], JobListener]
    ) -> Iterator[tuple[Job, JobResult] | None]:
        """Keep all workers busy; hear them in this process.

        Raises:
            StoreError: a listener could not reach the store.
        """
        waiting = iter(jobs)
        while True:
            self._assign(waiting, listener)
            busy = [worker for worker in self._team if worker.job is not None]
            if not busy:
                return
            asking = [worker for worker in busy if worker.asked is not None]
            heard = self.ready([each.link for each in busy if each not in asking], PAUSE_SECONDS)
            ended = False
            for worker in [*asking, *(each for each in busy if each.link in heard)]:
                job, result = worker.job, self._hear(worker)
                if job is not None and result is not None:
                    ended = True
                    yield job, result
            for worker in [each for each in self._team if each.job is not None]:
                job, fault = worker.job, self._fault_of(worker)
                if job is not None and fault:
                    ended = True
                    yield job, self._end(worker, fault)
            if not ended:
                yield None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all workers; those that run a job may save a checkpoint before."""
        working = [worker.link for worker in self._team if worker.job is not None]
        for link in working:
            link.ask_to_leave()
        until = time.monotonic() + LEAVE_SECONDS
        with phase("waiting for checkpoints") if working else nullcontext():
            while not all(link.is_gone for link in working):
                if time.monotonic() > until or is_urgent():
                    break
                time.sleep(LOOK_SECONDS)
        for worker in self._team:
            worker.link.stop()
        self._team.clear()

    def _assign(self, waiting: Iterator[Job | None], listener: Callable[[Job], JobListener]) -> None:
        """Give each idle worker a job; start workers while there are jobs and room."""
        while True:
            idle = next((worker for worker in self._team if worker.job is None), None)
            if idle is None and len(self._team) >= self.workers:
                return
            job = next(waiting, None)
            if job is None:
                return
            placed = self._packing.placed(job) if self._packing else job
            if idle is None:
                idle = Worker(self.open(placed))
                self._team.append(idle)
            idle.give(placed, listener(job))

    def _hear(self, worker: Worker) -> JobResult | None:
        """Answer one message of a worker, the one that waits for its answer if there is one.

        Returns:
            The result if its job ended.
        """
        try:
            message = worker.asked or worker.link.receive()
        except (EOFError, OSError):
            return self._end(worker, worker.link.cause_of_death())
        if message is None:
            return None
        worker.heard = time.monotonic()
        assert worker.listener is not None
        match message:
            case SignOfLife():
                return None
            case Began(where):
                worker.listener.began(where)
                return None
            case JobEnded(result, is_worker_well):
                worker.job = worker.listener = None
                if not is_worker_well:
                    self._team.remove(worker)
                    worker.link.stop()
                return result
            case _:
                return self._answered(worker, worker.listener, message)

    def _answered(self, worker: Worker, listener: JobListener, message: EpochDone | OpeningAsked) -> JobResult | None:
        """Ask the listener and tell the worker what it says."""
        worker.asked = None
        try:
            answer = _answer(listener, message)
        except StoreAwayError:
            if isinstance(message, EpochDone):
                raise
            worker.asked, worker.asked_at = message, worker.asked_at or time.monotonic()
            return None
        if worker.asked_at is not None:  # the time that the store was away is not the job's
            worker.begun += time.monotonic() - worker.asked_at
            worker.asked_at = None
        try:
            worker.link.send(answer)
        except OSError:
            return self._end(worker, worker.link.cause_of_death())
        return None

    def _fault_of(self, worker: Worker) -> StalledError | None:
        """Return why the job of a worker is to be ended now, if it is; one that waits for our answer is not."""
        now = time.monotonic()
        if worker.link.is_waiting:
            worker.begun = worker.heard = now
        if worker.asked is not None:
            return None
        if self.cell_timeout is not None and now - worker.begun > self.cell_timeout:
            return StalledError(f"it took longer than --cell-timeout allows ({round_duration(self.cell_timeout)})")
        if now - worker.heard > self.silent_seconds:
            silent = round_duration(self.silent_seconds)
            return StalledError(f"its worker process hung: it gave no sign of life for {silent}")
        return None

    def _end(self, worker: Worker, fault: HarnessError) -> Failure:
        """Return the failure of a worker's job, and stop and forget the worker."""
        self._team.remove(worker)
        if isinstance(fault, StalledError):
            worker.link.tell_where_it_is()
        words = worker.link.last_words()
        worker.link.stop()
        return failure_of(fault, f"{fault}\n{words}")


@dataclass(slots=True, eq=False)
class Worker:
    """A worker, its job, and when it was heard; times as by `time.monotonic`."""

    link: Link
    job: Job | None = None
    listener: JobListener | None = None
    asked: OpeningAsked | None = None
    """What it has asked for and waits for."""
    asked_at: float | None = None
    """Since when it waits."""
    begun: float = 0.0
    """When its job began."""
    heard: float = 0.0
    """When it last gave a sign of life."""

    def give(self, job: Job, listener: JobListener) -> None:
        """Send it a job; a worker that is gone is noticed when its answer is read."""
        self.job, self.listener = job, listener
        self.begun = self.heard = time.monotonic()
        try:
            self.link.send(job)
        except OSError:
            return


def _answer(listener: JobListener, message: EpochDone | OpeningAsked) -> Answer:
    """Ask the listener; what it raises is raised in the worker, but for a store out of reach."""
    try:
        match message:
            case EpochDone(epoch, metrics):
                listener.epoch(epoch, metrics)
            case OpeningAsked(model_digest, test_set):
                listener.opening(model_digest, test_set)
    except Exception as error:
        if isinstance(error, StoreError) and not isinstance(error, StoreRefusedError):
            raise
        return Answer(error)
    return Answer()
