"""The narrow waist: jobs go in, their results come out, wherever they run.

An executor is a file of `executors/`, found by its name. Below it stand the values that cross the waist, the one place
where an exception becomes a value, and what a worker process and the driver tell each other about a job.
"""

from __future__ import annotations

import errno
import importlib
import logging
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from harness.contracts import Listener, Result, SealedSet
from harness.contracts.running import Job
from harness.errors import (
    DataError,
    HarnessError,
    InputError,
    OutOfMemoryError,
    PreemptedError,
    PrunedError,
    SealError,
    StalledError,
    StoreError,
    StoreRefusedError,
    TrainingError,
    WorkerDiedError,
    nearest,
    without_secrets,
)
from harness.execute import EXECUTORS
from harness.measure.environment import Whereabouts

if TYPE_CHECKING:
    from harness.execute.packing import Kind
    from harness.execute.plan import RunSettings

LEAVE_SECONDS: Final = 20
"""For how long workers that are to end may save checkpoints: Slurm and Kubernetes kill after 30 s."""
PAUSE_SECONDS: Final = 1.0
"""How often one looks around while nothing is heard."""
RUN_CELL: Final = "harness.cell.run:run_cell"
"""What runs a job, by name: it imports torch, so it is imported where and when a job runs."""


class JobListener(Listener, Protocol):
    """Hears a job in the driver: where it runs, and all that a cell tells."""

    def began(self, where: Whereabouts) -> None:
        """Hear that the job begins to run, and where; told before anything else."""


class Places(Protocol):
    """Says when there is room for a job, and learns from those that run; what a place is the executor alone knows."""

    @property
    def names(self) -> tuple[str, ...]:
        """The devices that it knows before anything runs; empty where they are chosen on other machines."""

    def place(self, key: str, kind: Kind, alone: bool = False) -> str | None:
        """Keep a place for a job and return its device's name; None while there is no room.

        Args:
            key: The job's id.
            kind: What it shares with jobs that take as long and as much memory.
            alone: Whether nothing of ours may run beside it on its device.
        """

    def hear(self, key: str, epoch_seconds: float) -> None:
        """Note that a job has told an epoch which took so long."""

    def ran_out(self, key: str) -> bool:
        """Note that a job ran out of memory; return whether others of this run were on its device."""

    def leave(self, key: str, peak_bytes: float = 0.0) -> None:
        """Note that a job has ended, and the most memory that it had in use if it knows; or that it never began."""


class Executor(Protocol):
    """Runs jobs somewhere. As a context it stops what still runs when it is left."""

    def places(self, settings: RunSettings) -> Places:
        """Return who gives the jobs of a run their places; called before the first of them.

        Raises:
            InputError: there is no such device.
        """

    def run(
        self, jobs: Iterable[Job | None], listener: Callable[[Job], JobListener]
    ) -> Iterator[tuple[Job, JobResult] | None]:
        """Run jobs and yield each with its result, in the order in which they end.

        Jobs are drawn when there is a worker for one; None means that there is none until a running one is heard
        again: an epoch of it, or its end. `listener` is called as a job begins; its answer hears the job in this
        process, whatever process the job runs in. Where it raises StoreAwayError for an opening it is asked again, and
        others are heard meanwhile. None is yielded about once a second while nothing is heard.

        Raises:
            StoreError: a listener could not reach the store.
        """

    def __enter__(self) -> Self:
        """Return itself; nothing is started yet."""

    def __exit__(self, *_: object) -> None:
        """Stop all that runs."""


def open_executor(
    name: str,
    workers: int,
    threads: int,
    run_cell: str = RUN_CELL,
    *,
    cell_timeout: float | None = None,
    address: str | None = None,
) -> Executor:
    """Return the executor of a name; processes, if it has any, start with the first jobs.

    Args:
        name: one of `EXECUTORS`.
        workers: how many jobs run side by side, where the executor can.
        threads: CPU threads of each.
        run_cell: what runs a job, as `module:function`.
        cell_timeout: seconds after which a job is ended as failed; None for no limit.
        address: where the executor's cluster is, of one that has a field of this name.

    Raises:
        InputError: there is no such executor, what it needs is not installed, or it cannot do what is asked of it.
    """
    if name not in EXECUTORS:
        raise InputError(f'there is no executor "{name}"{nearest(name, EXECUTORS)}')
    try:
        made = named(f"harness.execute.executors.{name}:{name.capitalize()}Executor")
    except ModuleNotFoundError as error:
        raise InputError(
            f"--executor {name} needs {error.name}, which is not installed: pip install 'sealed-harness[{name}]'"
        ) from None
    opened: Executor = made(workers, threads, run_cell, cell_timeout)
    if address is not None:
        if not hasattr(opened, "address"):
            raise InputError(f"--address {address}: --executor {name} runs cells on this machine")
        opened.address = address
    return opened


def executor_for(name: str, settings: RunSettings) -> Executor:
    """Return the executor of a name for cells that are run by these settings, see `open_executor`.

    Raises:
        InputError: there is no such executor, what it needs is not installed, or it cannot do what is asked of it.
    """
    return open_executor(
        name, settings.workers, settings.threads, cell_timeout=settings.cell_timeout, address=settings.address
    )


def named(path: str) -> Any:
    """Return the object that `module:name` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


FailureKind = Literal["died", "stalled", "preempted", "memory", "training", "data", "seal", "pruned", "error"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job has no result.

    The first four kinds are the machine's fault, and the same job may yet succeed; `pruned` is nobody's.
    """

    kind: FailureKind
    message: str
    traceback: str
    warnings: tuple[str, ...] = ()
    """As of a `Result`."""

    @property
    def is_worth_retrying(self) -> bool:
        """Whether it may go better next time."""
        return self.kind in {"died", "stalled", "preempted", "memory"}


JobResult = Result | Failure
RunCell = Callable[[Job, Listener], Result]


def run_job(run_cell: RunCell, job: Job, listen: Listener) -> JobResult:
    """Run a job; what it raises is its failure, a value, and so is what the store refuses to take of it.

    What it logs as a warning goes with either.

    Raises:
        StoreError: the store is out of reach, which ends more than this job.
    """
    with warnings_heard() as heard:
        try:
            result: JobResult = run_cell(job, listen)
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, StoreRefusedError):
                raise
            result = failure_of(error, "".join(traceback.format_exception(error)))
    return replace(result, warnings=tuple(heard)) if heard else result


def failure_of(error: Exception, where: str) -> Failure:
    """Return the failure that an exception is; `where` is its traceback, or what else tells where it comes from."""
    message = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
    return Failure(_kind(error), without_secrets(message), without_secrets(where))


@contextmanager
def warnings_heard() -> Iterator[Collection[str]]:
    """Have what this project's code logs as a warning collected, each text once, instead of printed."""
    logger, collector = logging.getLogger("harness"), _Collector(logging.WARNING)
    former = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [collector], False
    try:
        yield collector.texts
    finally:
        logger.handlers, logger.propagate = former


class _Collector(logging.Handler):
    """Keeps the texts of what is logged, in their order."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.texts[record.getMessage()] = None


_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (OutOfMemoryError, "memory"),
    (MemoryError, "memory"),
    (WorkerDiedError, "died"),
    (StalledError, "stalled"),
    (PreemptedError, "preempted"),
    (TrainingError, "training"),
    (DataError, "data"),
    (SealError, "seal"),
    (PrunedError, "pruned"),
)


def _kind(error: Exception) -> FailureKind:
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "memory"
    return next((kind for each, kind in _KINDS if isinstance(error, each)), "error")


@dataclass(frozen=True, slots=True)
class Began:
    """From the worker, before anything else is told of a job; no answer is waited for."""

    where: Whereabouts


@dataclass(frozen=True, slots=True)
class EpochDone:
    """From the worker, which waits for an answer before it tells anything else."""

    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OpeningAsked:
    """From the worker, which waits for permission to read the test set."""

    model_digest: str
    test_set: SealedSet


@dataclass(frozen=True, slots=True)
class JobEnded:
    """From the worker, which then waits for its next job, or for its end if it is not well."""

    result: JobResult
    is_worker_well: bool = True


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """From the worker, every few seconds, whatever its job does."""


Message = Began | EpochDone | OpeningAsked | JobEnded | SignOfLife


@dataclass(frozen=True, slots=True)
class Answer:
    """From the driver: go on, or raise this."""

    error: Exception | None = None
