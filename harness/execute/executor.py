"""The narrow waist: an executor turns jobs into endings. Executors are found by file name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, Self

from harness.contracts import Listener
from harness.contracts.job import Job
from harness.errors import InputError, nearest
from harness.execute.endings import Ending

RUN_CELL: Final = "harness.run_cell:run_cell"
"""What runs a job, by name: it imports torch, so it is imported where and when a job runs."""
EXECUTORS: Final = ("inline", "local")
"""Each is a file of this folder."""


class Executor(Protocol):
    """Runs jobs somewhere. As a context it stops what still runs when it is left."""

    def run(self, jobs: Iterable[Job | None], listener: Callable[[Job], Listener]) -> Iterator[tuple[Job, Ending]]:
        """Run jobs and yield each with its ending, in the order in which they end.

        Jobs are drawn when there is a worker for one; None means that there is none until a running one is heard
        again: an epoch of it, or its end. `listener` is called as a job begins; its answer hears the job in this
        process, whatever process the job runs in.

        Raises:
            StoreError: a listener could not reach the store.
        """

    def __enter__(self) -> Self:
        """Return itself; nothing is started yet."""

    def __exit__(self, *_: object) -> None:
        """Stop all that runs."""


def open_executor(name: str, workers: int, threads: int, run_cell: str = RUN_CELL) -> Executor:
    """Return the executor of a file in this folder: `inline` or `local`.

    Args:
        name: the file's name.
        workers: how many jobs run side by side, where the executor can.
        threads: CPU threads of each.
        run_cell: what runs a job, as `module:function`.

    Raises:
        InputError: there is no such executor.
    """
    if name not in EXECUTORS:
        raise InputError(f'there is no executor "{name}"{nearest(name, EXECUTORS)}')
    module = importlib.import_module(f"harness.execute.{name}")
    opened: Executor = module.open_executor(workers, threads, run_cell)
    return opened


def named(path: str) -> Any:
    """Return the object that `module:name` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
