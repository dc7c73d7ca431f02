"""The worker process: imports torch once, then runs one job after another until the driver is gone.

Started as `python -m harness.execute.worker FD DRIVER_PID MODULE:FUNCTION`. It knows nothing of the store:
it tells the driver of each epoch and asks it for the opening, over one duplex pipe.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from harness.execute.endings import attempt
from harness.execute.executor import named
from harness.execute.messages import Ended, EpochDone, OpeningAsked


@dataclass(frozen=True, slots=True)
class PipeListener:
    """Passes on what a job tells, and raises what the driver answers."""

    connection: Connection[Any, Any]

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Tell the driver of an epoch; it is logged when this returns."""
        self._ask(EpochDone(epoch, dict(metrics)))

    def opening(self, model_digest: str) -> None:
        """Ask for the test set; it is in the ledger when this returns."""
        self._ask(OpeningAsked(model_digest))

    def _ask(self, message: EpochDone | OpeningAsked) -> None:
        self.connection.send(message)
        error = self.connection.recv().error
        if error is not None:
            raise error


def serve(connection: Connection[Any, Any], run_cell: str) -> None:
    """Run the jobs that come in until the pipe is closed."""
    call = named(run_cell)
    listen = PipeListener(connection)
    while True:
        job = connection.recv()
        connection.send(Ended(attempt(call, job, listen)))


def _leave_with(driver: int) -> None:
    """End this process as soon as the driver has died, even in the middle of a long fit."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def main(fd: int, driver: int, run_cell: str) -> None:
    """Serve on the pipe with file descriptor `fd`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then stops us
    os.set_inheritable(fd, False)
    threading.Thread(target=_leave_with, args=(driver,), daemon=True).start()
    try:
        serve(Connection(fd), run_cell)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
