"""The worker process: imports torch once, then runs one job after another until the driver is gone.

Started as `python -m harness.execute.worker FD DRIVER_PID MODULE:FUNCTION`. It knows nothing of the store:
it tells the driver of each epoch and asks it for the opening, over one duplex pipe, and gives a sign of life every few
seconds. Told to end (SIGTERM, SIGUSR1), it ends with the exit code of an interrupted process: at once, or within a
network's fit after the next step, when a checkpoint has been saved.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

from harness.contracts import Listener, Result, SealedSet
from harness.contracts.running import Job
from harness.execute.executor import (
    Answer,
    Began,
    EpochDone,
    JobEnded,
    Message,
    OpeningAsked,
    RunCell,
    SignOfLife,
    named,
    run_job,
)
from harness.interrupts import INTERRUPTED, LOOK_SECONDS, SIGNALS, Interrupts, is_between_steps, raise_pending
from harness.measure.environment import whereabouts

BEAT_SECONDS: Final = 2.0
"""Between two signs of life."""
TRACE: Final = signal.SIGUSR2
"""Has a worker print where all its threads are, even one whose interpreter is held by a call."""


def main(fd: int, driver: int, run_cell: str) -> None:
    """Serve on the pipe with file descriptor `fd`."""
    faulthandler.register(TRACE)
    os.set_inheritable(fd, False)
    channel = Channel(Connection(fd))
    try:
        with Interrupts():
            for target, argument in ((_leave_with, driver), (_beat, channel), (_leave_early, _heard_signals())):
                threading.Thread(target=target, args=(argument,), daemon=True).start()
            serve(channel, run_cell)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    finally:
        channel.close()  # the driver then knows, however long this process takes to end


def _leave_with(driver: int) -> None:
    """End this process as soon as the driver has died, even in the middle of a long fit."""
    while os.getppid() == driver:
        time.sleep(1)
    os._exit(1)


def _heard_signals() -> int:
    """Return a file descriptor from which a byte can be read as soon as a signal has come."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    return heard


def _leave_early(heard: int) -> None:
    """End this process at an interrupt, unless it saves a checkpoint first: a call of minutes would be deaf to it."""
    while True:
        if signal.Signals(os.read(heard, 1)[0]) in SIGNALS and not is_between_steps():
            os._exit(INTERRUPTED)


def _beat(channel: Channel) -> None:
    """Give signs of life until the driver is gone."""
    with suppress(OSError):
        while True:
            channel.send(SignOfLife())
            time.sleep(BEAT_SECONDS)


class Channel:
    """The pipe to the driver; several threads may send."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            OSError: the driver is gone.
        """
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        """Wait for what the driver says.

        Raises:
            EOFError, OSError: the driver is gone.
        """
        return self._connection.recv()

    def answer(self) -> Answer:
        """Wait for the driver's answer.

        Raises:
            EOFError, OSError: the driver is gone.
            KeyboardInterrupt: an interrupt came, even between two steps.
        """
        while not self._connection.poll(LOOK_SECONDS):
            raise_pending()
        answer: Answer = self._connection.recv()
        return answer

    def close(self) -> None:
        """Say nothing any more."""
        self._connection.close()


def serve(channel: Channel, run_cell: str) -> None:
    """Run the jobs that come in until the pipe is closed, each on the device that it asks for and that is here."""
    while True:
        job: Job = channel.receive()
        where = whereabouts(job.device)
        channel.send(Began(where))
        job, call = replace(job, device=where.device), partial(_heard_out, named(run_cell))
        result = run_job(call, job, ChannelListener(channel, waits=job.light))
        channel.send(JobEnded(result, is_worker_well=free_gpu(job.device)))


def _heard_out(call: RunCell, job: Job, listen: Listener) -> Result:
    """Run a job; no answer is left in the pipe afterwards, however it ends, unless the process ends with it."""
    assert isinstance(listen, ChannelListener)
    try:
        result = call(job, listen)
    except Exception:
        listen.hear()
        raise
    listen.hear()
    return result


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
class ChannelListener:
    """Passes on what a job tells, and raises what the driver answers.

    While an epoch is logged the next one is trained, unless the driver may want to end the fit (`waits`): its answer is
    read before anything else is told. So at most one epoch is on its way.
    """

    channel: Channel
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
        error = self.channel.answer().error
        self._unanswered = False
        if error is not None:
            raise error

    def _tell(self, message: EpochDone | OpeningAsked) -> None:
        self.hear()
        self.channel.send(message)
        self._unanswered = True


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
