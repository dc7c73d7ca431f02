"""Jobs in workers on the nodes of a Ray cluster. No disk is shared: what a job needs and leaves travels with messages.

On its node a worker is the very process that it is on this machine (see `harness.execute.agent`). Each new checkpoint
comes home with the next message, so a cell whose node is lost goes on from it on another one. Images are read at the
same path where the node sees the home's cache, else they come from Ray's object store, one copy a node.
"""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import ray
from ray.exceptions import RayError

from harness import __version__
from harness.contracts.running import Job
from harness.errors import HarnessError, InputError, WorkerDiedError
from harness.execute.agent import Agent, Luggage, Told, packed, unpack
from harness.execute.executor import Answer, JobEnded, Message, Places
from harness.execute.packing import Kind
from harness.execute.plan import RunSettings
from harness.execute.team import Link, Team
from harness.interrupts import SIGNALS
from harness.measure.machine import FILE as ENERGY

CALLS_AT_ONCE: Final = 4
"""Of an agent: it is told things while it is waited for."""
KNOCK_SECONDS: Final = 10.0
WORDS_SECONDS: Final = 10.0
"""For how long an agent is waited for that is to say something last."""


@dataclass(slots=True)
class RayExecutor(Team):
    """Workers on the nodes of the cluster at an address; without one, of `$RAY_ADDRESS`, else of this machine alone."""

    address: str | None = None
    sees_cache: bool | None = None
    """Whether nodes see the home's cache at its path; None to find out."""
    _is_ours: bool = False
    """Whether the connection is to be closed by us."""
    _shipments: dict[str, Any] = field(default_factory=dict)
    """References to the files of data sets in the object store, by the data set's name."""

    def places(self, settings: RunSettings) -> Places:
        """Connect to the cluster; return places without number: jobs wait where Ray has no room.

        Raises:
            InputError: no cluster answers, or a device is asked for by its number, which only a node knows.
        """
        if settings.device.startswith("cuda:"):
            raise InputError(f"--device {settings.device}: Ray chooses the GPU; take --device cuda")
        self._connect()
        return Anywhere(settings.device)

    def open(self, job: Job) -> Link:
        """Ask Ray for an actor where the job's wishes can be met."""
        cpus = max((node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
        wants_gpu = job.device == "cuda" or (job.device == "auto" and ray.cluster_resources().get("GPU", 0) > 0)
        made = ray.remote(
            num_cpus=min(job.threads, cpus or job.threads),
            num_gpus=job.gpu_share if wants_gpu else 0,
            max_concurrency=CALLS_AT_ONCE,
        )
        return RayLink(made(Agent).remote(job.threads, self.run_cell, __version__), self)

    def ready(self, links: Sequence[Link], seconds: float) -> Sequence[Link]:
        """Wait for an agent that has something to pass on."""
        waiting = {link.heard: link for link in links if isinstance(link, RayLink)}
        if not waiting:
            time.sleep(seconds)
            return []
        some, _ = ray.wait(list(waiting), timeout=seconds)
        if some:
            some, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        return [waiting[each] for each in some]

    def shipment(self, job: Job) -> Any:
        """Return a reference to the files of a job's data set in the object store, put there once."""
        name = job.cell.dataset.name
        if name not in self._shipments:
            self._shipments[name] = ray.put(packed(job.cache, f"raw/{name}/**/*", f"decoded/{name}-*/*"))
        return self._shipments[name]

    def __exit__(self, *exception: object) -> None:
        """Stop all workers, which may save a checkpoint before, and part from the cluster."""
        super(RayExecutor, self).__exit__(*exception)
        self._shipments.clear()
        if self._is_ours:
            self._is_ours = False
            ray.shutdown()

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        former = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            _knock(self.address)  # Ray itself would try for minutes
            ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            where = f"--address {self.address}" if self.address else "--executor ray"
            raise InputError(f"{where}: no Ray cluster answers: {str(error).splitlines()[0]}") from error
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)  # Ray takes SIGTERM for itself
        self._is_ours = True


@dataclass(frozen=True, slots=True)
class Anywhere:
    """There is always room, and nothing is learned."""

    device: str
    names: tuple[str, ...] = ()

    def place(self, key: str, kind: Kind, alone: bool = False) -> str:
        """Return the device that is wished for."""
        return self.device

    def hear(self, key: str, epoch_seconds: float) -> None:
        """Learn nothing."""

    def ran_out(self, key: str) -> bool:
        """Return False: who ran beside it is not known."""
        return False

    def leave(self, key: str, peak_bytes: float = 0.0) -> None:
        """Learn nothing."""


@dataclass(slots=True, eq=False)
class RayLink:
    """An agent on some node, or one that waits for a node.

    It is first asked whether it sees a file of the home's cache; then it has a node, and is given the job.
    """

    agent: Any
    executor: RayExecutor
    heard: Any = None
    """The reference to what it says next."""
    _job: Job | None = None
    _mark: Path | None = None
    """A file in the home's cache that the agent is asked for."""
    _leaving: Any = None
    _fault: HarnessError | None = None
    _last_words: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been given its job yet."""
        return self._mark is not None

    def send(self, message: Job | Answer) -> None:
        """Ask the agent for the cache of a job, or pass on an answer."""
        if isinstance(message, Answer):
            self.agent.answer.remote(message)
            return
        self._job, self._mark = message, message.cache / f".seen-{uuid4().hex}"
        message.cache.mkdir(parents=True, exist_ok=True)
        self._mark.touch()
        self.heard = self.agent.sees.remote(self._mark)

    def receive(self) -> Message | None:
        """Take home what the agent brings and return what the worker says, if anything.

        Raises:
            EOFError: the worker or its node is gone.
        """
        assert self._job is not None
        try:
            told: Told | bool = ray.get(self.heard)
        except RayError as error:
            self._unmark()
            why = str(error).strip().splitlines() or [""]
            self._fault = WorkerDiedError(f"its node is gone, or its part of Ray ({type(error).__name__}: {why[-1]})")
            raise EOFError from error
        if isinstance(told, bool):
            self._unmark()
            sees = told if self.executor.sees_cache is None else self.executor.sees_cache
            data = [] if sees else [self.executor.shipment(self._job)]
            given = self.agent.give.remote(self._job, _luggage(self._job), data)
            self.heard = self.agent.hear.remote(given)  # what goes wrong with giving is heard
            return None
        unpack(told.files, self._job.folder)
        if told.fault is not None:
            self._fault, self._last_words = told.fault, told.last_words
            raise EOFError
        if not isinstance(told.message, JobEnded):
            self.heard = self.agent.hear.remote()
        return told.message

    def ask_to_leave(self) -> None:
        """Have its worker save a checkpoint and end."""
        self._leaving = self.agent.leave.remote()

    @property
    def is_gone(self) -> bool:
        """Whether its worker has ended; the checkpoint that it saved is then at home."""
        if self._leaving is None or not ray.wait([self._leaving], timeout=0)[0]:
            return False
        with suppress(RayError):
            if self._job is not None and not self.is_waiting:
                unpack(ray.get(self._leaving), self._job.folder)
        return True

    def cause_of_death(self) -> HarnessError:
        """Return why it is gone."""
        return self._fault or WorkerDiedError("its node is gone")

    def tell_where_it_is(self) -> None:
        """Have its worker print where its threads are, if it can still do that."""
        with suppress(RayError):
            self._last_words = ray.get(self.agent.last_words.remote(), timeout=WORDS_SECONDS)

    def last_words(self) -> str:
        """Return the end of what its worker printed."""
        return self._last_words

    def stop(self) -> None:
        """End worker and agent."""
        self._unmark()
        with suppress(RayError):
            ray.get(self.agent.stop.remote(), timeout=WORDS_SECONDS)
        with suppress(RayError):
            ray.kill(self.agent)

    def _unmark(self) -> None:
        if self._mark is not None:
            self._mark.unlink(missing_ok=True)
            self._mark = None


def _knock(address: str | None) -> None:
    """Connect to a HOST:PORT, with or without a scheme, and leave again.

    Raises:
        OSError: nobody answers.
    """
    host, colon, port = (address or "").rpartition("://")[2].partition("/")[0].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _luggage(job: Job) -> Luggage:
    """Return what a job takes along to its node."""
    fitted: dict[str, bytes] = {}
    if job.fitted is not None:
        beside = packed(job.fitted.parent, ENERGY)
        fitted = {f"model/{name}": each for name, each in packed(job.fitted, "**/*").items()} | dict(beside)
    return Luggage(packed(job.folder, "**/*"), fitted, tuple(packed(folder, "*.py") for folder in job.plugins))
