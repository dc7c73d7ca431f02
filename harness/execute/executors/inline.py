"""Jobs one after another in this process: what everybody debugs with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from harness.contracts.running import Job
from harness.errors import InputError, StoreAwayError
from harness.execute.executor import PAUSE_SECONDS, JobListener, JobResult, Places, named, run_job
from harness.execute.packing import Packing, open_packing
from harness.execute.plan import RunSettings
from harness.interrupts import pause
from harness.measure.environment import whereabouts


@dataclass(slots=True)
class InlineExecutor:
    """One worker, this process, whatever number is asked for; `run_cell` is `module:function`."""

    workers: int
    threads: int
    run_cell: str
    cell_timeout: float | None = None
    _packing: Packing | None = None

    def __post_init__(self) -> None:
        if self.cell_timeout is not None:
            raise InputError("--cell-timeout: --executor inline cannot end a cell; take --executor local")

    def places(self, settings: RunSettings) -> Places:
        """Return the packing of this machine's devices.

        Raises:
            InputError: there is no such device.
        """
        self._packing = open_packing(settings)
        return self._packing

    def run(
        self, jobs: Iterable[Job | None], listener: Callable[[Job], JobListener]
    ) -> Iterator[tuple[Job, JobResult]]:
        """Run each job as it is drawn.

        Raises:
            StoreError: a listener could not reach the store.
        """
        for job in filter(None, jobs):
            placed = self._packing.placed(job) if self._packing else job
            where, heard = whereabouts(placed.device), listener(job)
            heard.began(where)
            yield job, run_job(named(self.run_cell), replace(placed, device=where.device), _Patient(heard))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Patient:
    """Passes on what the job tells; nothing else goes on here while the store is waited for."""

    listener: JobListener

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.listener.epoch(epoch, metrics)

    def opening(self, *asked: Any) -> None:
        while True:
            try:
                self.listener.opening(*asked)
                return
            except StoreAwayError:
                pause(PAUSE_SECONDS)
