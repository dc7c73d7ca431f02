"""Jobs in warm worker processes of this machine. A worker that dies or hangs fails its job and is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any, Final, Self, cast

import psutil

from harness.contracts import Listener
from harness.contracts.running import Job
from harness.errors import (
    HarnessError,
    PreemptedError,
    StalledError,
    StoreAwayError,
    StoreError,
    StoreRefusedError,
    WorkerDiedError,
)
from harness.execute.executor import (
    PAUSE_SECONDS,
    Answer,
    EpochDone,
    Failure,
    JobEnded,
    JobResult,
    Message,
    OpeningAsked,
    SignOfLife,
    failure_of,
)
from harness.execute.worker import TRACE
from harness.interrupts import INTERRUPTED, LOOK_SECONDS, is_urgent
from harness.phases import phase
from harness.words import round_duration

LAST_WORDS: Final = 4000
STOP_SECONDS: Final = 5
LEAVE_SECONDS: Final = 20
"""For how long workers that are to end may save checkpoints: Slurm and Kubernetes kill after 30 s."""
SILENT_SECONDS: Final = 300.0
"""Without a sign of life, after which a worker counts as hung: no call that holds the interpreter takes so long."""
TRACE_SECONDS: Final = 5.0
ALLOCATOR: Final = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Keeps glibc from giving large tensors back to the system at each step (1.5 times faster at batch 512)."""


@dataclass(slots=True)
class LocalExecutor:
    """Up to `workers` processes with `threads` CPU threads each, started as jobs come.

    A job that takes longer than `cell_timeout` seconds is ended, and so is one whose worker says nothing for
    `silent_seconds`.
    """

    workers: int
    threads: int
    run_cell: str
    cell_timeout: float | None = None
    silent_seconds: float = SILENT_SECONDS
    _team: list[_Worker] = field(default_factory=list)

    def run(
        self, jobs: Iterable[Job | None], listener: Callable[[Job], Listener]
    ) -> Iterator[tuple[Job, JobResult] | None]:
        """Keep all workers busy; hear them in this process.

        Raises:
            StoreError: a listener could not reach the store.
        """
        waiting = iter(jobs)
        while True:
            self._assign(waiting, listener)
            busy = {worker.connection: worker for worker in self._team if worker.job is not None}
            if not busy:
                return
            asking = [worker for worker in busy.values() if worker.asked is not None]
            heard = wait([each for each in busy if busy[each] not in asking], PAUSE_SECONDS)
            ended = False
            for worker in [*asking, *(busy[cast("Connection[Any, Any]", connection)] for connection in heard)]:
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
        working = [worker for worker in self._team if worker.job is not None]
        for worker in working:
            worker.process.terminate()
        until = time.monotonic() + LEAVE_SECONDS
        with phase("waiting for checkpoints") if working else nullcontext():
            while any(each.process.poll() is None for each in working):
                if time.monotonic() > until or is_urgent():
                    break
                time.sleep(LOOK_SECONDS)
        for worker in self._team:
            worker.stop()
        self._team.clear()

    def _assign(self, waiting: Iterator[Job | None], listener: Callable[[Job], Listener]) -> None:
        """Give each idle worker a job; start workers while there are jobs and room."""
        while True:
            idle = next((worker for worker in self._team if worker.job is None), None)
            if idle is None and len(self._team) >= self.workers:
                return
            job = next(waiting, None)
            if job is None:
                return
            if idle is None:
                idle = _start(self.threads, self.run_cell)
                self._team.append(idle)
            idle.give(job, listener(job))

    def _hear(self, worker: _Worker) -> JobResult | None:
        """Answer one message of a worker, the one that waits for its answer if there is one.

        Returns:
            The result if its job ended.
        """
        try:
            message: Message = worker.asked or worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker)
        worker.heard = time.monotonic()
        if isinstance(message, SignOfLife):
            return None
        if isinstance(message, JobEnded):
            worker.job = worker.listener = None
            if not message.is_worker_well:
                self._team.remove(worker)
                worker.stop()
            return message.result
        assert worker.listener is not None
        worker.asked = None
        try:
            answer = _answer(worker.listener, message)
        except StoreAwayError:
            if isinstance(message, EpochDone):
                raise
            worker.asked, worker.asked_at = message, worker.asked_at or time.monotonic()
            return None
        if worker.asked_at is not None:  # the time that the store was away is not the job's
            worker.begun += time.monotonic() - worker.asked_at
            worker.asked_at = None
        try:
            worker.connection.send(answer)
        except OSError:
            return self._bury(worker)
        return None

    def _bury(self, worker: _Worker) -> Failure:
        """Return the failure of a worker's job that has closed its pipe, and forget the worker."""
        return self._end(worker, worker.cause_of_death())

    def _fault_of(self, worker: _Worker) -> StalledError | None:
        """Return why the job of a worker is to be ended now, if it is; one that waits for our answer is not."""
        now = time.monotonic()
        if worker.asked is not None:
            return None
        if self.cell_timeout is not None and now - worker.begun > self.cell_timeout:
            return StalledError(f"it took longer than --cell-timeout allows ({round_duration(self.cell_timeout)})")
        if now - worker.heard > self.silent_seconds:
            silent = round_duration(self.silent_seconds)
            return StalledError(f"its worker process hung: it gave no sign of life for {silent}")
        return None

    def _end(self, worker: _Worker, fault: HarnessError) -> Failure:
        """Return the failure of a worker's job, and stop and forget the worker."""
        self._team.remove(worker)
        if isinstance(fault, StalledError):
            worker.tell_where_it_is()
        words = worker.last_words()
        worker.stop()
        return failure_of(fault, f"{fault}\n{words}")


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, the pipe to it, the file its output goes to, and its job."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    output: IO[bytes]
    job: Job | None = None
    listener: Listener | None = None
    asked: OpeningAsked | None = None
    """What it has asked for and waits for."""
    asked_at: float | None = None
    """Since when it waits; this and the next two as by `time.monotonic`."""
    begun: float = 0.0
    """When its job began."""
    heard: float = 0.0
    """When it last gave a sign of life."""

    def give(self, job: Job, listener: Listener) -> None:
        """Send it a job; a worker that is gone is noticed when its answer is read."""
        self.job, self.listener = job, listener
        self.begun = self.heard = time.monotonic()
        try:
            self.connection.send(job)
        except OSError:
            return

    def stop(self) -> None:
        """End the process, whatever it does, with all that it has started, and release what it held."""
        started: list[psutil.Process] = []
        with suppress(psutil.Error):
            started = psutil.Process(self.process.pid).children(recursive=True)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a session of its own
        for each in started:
            with suppress(psutil.Error):
                each.kill()
        self.process.wait()
        self.connection.close()
        self.output.close()

    def cause_of_death(self) -> WorkerDiedError | PreemptedError:
        """Wait for the end of a process that has closed its pipe; one that takes its time is not waited for."""
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return WorkerDiedError(
                f"the worker process died (it left its job and had not ended {STOP_SECONDS} s later)"
            )
        if code in {INTERRUPTED, -signal.SIGTERM, -signal.SIGUSR1}:
            return PreemptedError("its worker process was told to end (SIGTERM or SIGUSR1)")
        return WorkerDiedError(f"the worker process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})")

    def tell_where_it_is(self) -> None:
        """Have it print where its threads are, if it can still do that."""
        with suppress(OSError, psutil.Error):
            before = last = self._printed()
            until = time.monotonic() + TRACE_SECONDS
            self.process.send_signal(TRACE)
            while time.monotonic() < until and psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(LOOK_SECONDS)
                if before < (now := self._printed()) == last:
                    return
                last = now

    def _printed(self) -> int:
        return os.fstat(self.output.fileno()).st_size

    def last_words(self) -> str:
        """Return the end of what it printed."""
        self.output.seek(max(0, self.output.seek(0, os.SEEK_END) - LAST_WORDS))
        return self.output.read().decode(errors="replace").strip()


def _start(threads: int, run_cell: str) -> _Worker:
    """Start a worker in a session of its own, so that Ctrl-C reaches the driver alone."""
    ours, theirs = Pipe(duplex=True)
    counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR")}
    own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONFAULTHANDLER": "1"}
    output = _temporary_file()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.execute.worker", str(theirs.fileno()), str(os.getpid()), run_cell],
        pass_fds=[theirs.fileno()],
        env={**os.environ, **ALLOCATOR, **counts, **own},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    theirs.close()
    return _Worker(process, ours, output)


def _temporary_file() -> IO[bytes]:
    """Return a file that is closed, and so gone, when the worker is stopped."""
    return tempfile.TemporaryFile()


def _answer(listener: Listener, message: EpochDone | OpeningAsked) -> Answer:
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
