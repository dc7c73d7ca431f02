"""Jobs in warm worker processes of this machine. A worker that dies fails its job and is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any, Final, Self, cast

from harness.contracts import Listener
from harness.contracts.running import Job
from harness.errors import StoreAwayError, StoreError, StoreRefusedError
from harness.execute.executor import (
    PAUSE_SECONDS,
    Answer,
    EpochDone,
    Failure,
    JobEnded,
    JobResult,
    Message,
    OpeningAsked,
)

LAST_WORDS: Final = 4000
STOP_SECONDS: Final = 5
ALLOCATOR: Final = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Keeps glibc from giving large tensors back to the system at each step (1.5 times faster at batch 512)."""


@dataclass(slots=True)
class LocalExecutor:
    """Up to `workers` processes with `threads` CPU threads each, started as jobs come."""

    workers: int
    threads: int
    run_cell: str
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
            for worker in [*asking, *(busy[cast("Connection[Any, Any]", connection)] for connection in heard)]:
                job, result = worker.job, self._hear(worker)
                if job is not None and result is not None:
                    yield job, result
            if not heard:
                yield None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
            worker.asked = message
            return None
        try:
            worker.connection.send(answer)
        except OSError:
            return self._bury(worker)
        return None

    def _bury(self, worker: _Worker) -> Failure:
        """Return the failure of a worker's job that has closed its pipe, and forget the worker."""
        self._team.remove(worker)
        how = f"the worker process died ({worker.cause_of_death()})"
        words = worker.last_words()
        worker.stop()
        return Failure("died", how, f"{how}\n{words}")


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

    def give(self, job: Job, listener: Listener) -> None:
        """Send it a job; a worker that is gone is noticed when its answer is read."""
        self.job, self.listener = job, listener
        try:
            self.connection.send(job)
        except OSError:
            return

    def stop(self) -> None:
        """End the process, whatever it does, and release what it held."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self.output.close()

    def cause_of_death(self) -> str:
        """Wait for the end of a process that has closed its pipe; one that takes its time is not waited for."""
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return f"it left its job and had not ended {STOP_SECONDS} s later"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

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
