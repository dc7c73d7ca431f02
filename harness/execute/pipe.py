"""A worker process of this machine, at the other end of a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any, Final

import psutil

from harness.contracts.running import Job
from harness.errors import PreemptedError, WorkerDiedError
from harness.execute.executor import Answer, Message
from harness.execute.worker import TRACE
from harness.interrupts import INTERRUPTED, LOOK_SECONDS

LAST_WORDS: Final = 4000
STOP_SECONDS: Final = 5
TRACE_SECONDS: Final = 5.0
ALLOCATOR: Final = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Keeps glibc from giving large tensors back to the system at each step (1.5 times faster at batch 512)."""


@dataclass(slots=True, eq=False)
class PipeLink:
    """A worker process, the pipe to it, and the file its output goes to."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    output: IO[bytes]

    @classmethod
    def open(cls, threads: int, run_cell: str) -> PipeLink:
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
        return cls(process, ours, output)

    def send(self, message: Job | Answer) -> None:
        """Write into the pipe.

        Raises:
            OSError: the worker is gone.
        """
        self.connection.send(message)

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a machine: never."""
        return False

    def receive(self) -> Message:
        """Read from the pipe.

        Raises:
            EOFError, OSError: the worker is gone.
        """
        message: Message = self.connection.recv()
        return message

    def ask_to_leave(self) -> None:
        """Send SIGTERM."""
        self.process.terminate()

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

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


def _temporary_file() -> IO[bytes]:
    """Return a file that is closed, and so gone, when the worker is stopped."""
    return tempfile.TemporaryFile()
