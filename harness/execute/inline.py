"""Jobs one after another in this process: what everybody debugs with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from harness.contracts import Listener
from harness.contracts.running import Job
from harness.execute.executor import JobResult, named, run_job


@dataclass(frozen=True, slots=True)
class InlineExecutor:
    """One worker, this process, whatever number is asked for; `run_cell` is `module:function`."""

    workers: int
    threads: int
    run_cell: str

    def run(self, jobs: Iterable[Job | None], listener: Callable[[Job], Listener]) -> Iterator[tuple[Job, JobResult]]:
        """Run each job as it is drawn.

        Raises:
            StoreError: a listener could not reach the store.
        """
        for job in filter(None, jobs):
            yield job, run_job(named(self.run_cell), job, listener(job))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None
