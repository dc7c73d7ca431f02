"""The worker process: imports torch once, then runs one job after another until the driver is gone.

Started as `python -m harness.execute.worker FD DRIVER_PID MODULE:FUNCTION`. It knows nothing of the store:
it tells the driver of each epoch and asks it for the opening, over one duplex pipe.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from harness.contracts import Listener, Result, SealedSet
from harness.contracts.running import Job
from harness.execute.executor import EpochDone, JobEnded, OpeningAsked, RunCell, named, run_job


def main(fd: int, driver: int, run_cell: str) -> None:
    """Serve on the pipe with file descriptor `fd`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which then stops us
    os.set_inheritable(fd, False)
    threading.Thread(target=_leave_with, args=(driver,), daemon=True).start()
    try:
        serve(Connection(fd), run_cell)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _leave_with(driver: int) -> None:
    """End this process as soon as the driver has died, even in the middle of a long fit."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def serve(connection: Connection[Any, Any], run_cell: str) -> None:
    """Run the jobs that come in until the pipe is closed."""
    call: RunCell = named(run_cell)
    while True:
        job: Job = connection.recv()
        result = run_job(partial(_heard_out, call), job, PipeListener(connection, waits=job.light))
        connection.send(JobEnded(result, is_worker_well=free_gpu(job.device)))


def _heard_out(call: RunCell, job: Job, listen: Listener) -> Result:
    """Run a job; no answer is left in the pipe afterwards, however it ends."""
    assert isinstance(listen, PipeListener)
    try:
        return call(job, listen)
    finally:
        listen.hear()


def free_gpu(device: str) -> bool:
    """Give back what the job held of a GPU's memory, for the cells beside it and the next one.

    Returns:
        Whether the GPU still works for this process: some errors (an illegal address) end every later call as well.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_initialized():
        return True
    gc.collect()
    try:
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


@dataclass(slots=True)
class PipeListener:
    """Passes on what a job tells, and raises what the driver answers.

    While an epoch is logged the next one is trained, unless the driver may want to end the fit (`waits`): its answer is
    read before anything else is told. So at most one epoch is on its way.
    """

    connection: Connection[Any, Any]
    waits: bool
    _unanswered: bool = False

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Tell the driver of an epoch; the one before it is logged when this returns."""
        self._tell(EpochDone(epoch, dict(metrics)))
        if self.waits:
            self.hear()

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Ask for the test set; it is in the ledger when this returns.

        Raises:
            SealError: the driver refused it.
        """
        self._tell(OpeningAsked(model_digest, test_set))
        self.hear()

    def hear(self) -> None:
        """Wait for the answer that is due, if one is.

        Raises:
            Exception: what the answer holds: pruning, a refused opening, a fault of the driver's.
        """
        if not self._unanswered:
            return
        error = self.connection.recv().error
        self._unanswered = False
        if error is not None:
            raise error

    def _tell(self, message: EpochDone | OpeningAsked) -> None:
        self.hear()
        self.connection.send(message)
        self._unanswered = True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
