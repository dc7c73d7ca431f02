"""Jobs one after another in this process: what everybody debugs with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.contracts import Listener
from harness.contracts.running import Job
from harness.errors import InputError, StoreAwayError
from harness.execute.executor import PAUSE_SECONDS, JobResult, named, run_job
from harness.interrupts import pause


@dataclass(frozen=True, slots=True)
class InlineExecutor:
    """One worker, this process, whatever number is asked for; `run_cell` is `module:function`."""

    workers: int
    threads: int
    run_cell: str
    cell_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.cell_timeout is not None:
            raise InputError("--cell-timeout: --executor inline cannot end a cell; take --executor local")

    def run(self, jobs: Iterable[Job | None], listener: Callable[[Job], Listener]) -> Iterator[tuple[Job, JobResult]]:
        """Run each job as it is drawn.

        Raises:
            StoreError: a listener could not reach the store.
        """
        for job in filter(None, jobs):
            yield job, run_job(named(self.run_cell), job, _Patient(listener(job)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Patient:
    """Passes on what the job tells; nothing else goes on here while the store is waited for."""

    listener: Listener

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.listener.epoch(epoch, metrics)

    def opening(self, *asked: Any) -> None:
        while True:
            try:
                self.listener.opening(*asked)
                return
            except StoreAwayError:
                pause(PAUSE_SECONDS)
