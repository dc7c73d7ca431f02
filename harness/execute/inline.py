"""Jobs one after another in this process: what everybody debugs with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from harness.contracts import Listener
from harness.contracts.running import Job
from harness.execute.executor import Ending, attempt, named


@dataclass(frozen=True, slots=True)
class InlineExecutor:
    """`run_cell` is `module:function`."""

    run_cell: str

    def run(self, jobs: Iterable[Job | None], listener: Callable[[Job], Listener]) -> Iterator[tuple[Job, Ending]]:
        """Run each job as it is drawn."""
        for job in filter(None, jobs):
            yield job, attempt(named(self.run_cell), job, listener(job))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def open_executor(workers: int, threads: int, run_cell: str) -> InlineExecutor:  # noqa: ARG001  (all executors open alike)
    """Return the executor; it has one worker, this process."""
    return InlineExecutor(run_cell)
