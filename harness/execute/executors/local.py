"""Jobs in warm worker processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import wait

from harness.contracts.running import Job
from harness.execute.pipe import PipeLink
from harness.execute.team import Link, Team


class LocalExecutor(Team):
    """Worker processes on this machine."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The ids of the worker processes."""
        return tuple(worker.link.process.pid for worker in self._team if isinstance(worker.link, PipeLink))

    def open(self, job: Job) -> Link:
        """Start a worker; any can run any job."""
        return PipeLink.open(self.threads, self.run_cell)

    def ready(self, links: Sequence[Link], seconds: float) -> Sequence[Link]:
        """Wait for a pipe that has something."""
        pipes = {link.connection: link for link in links if isinstance(link, PipeLink)}
        heard = wait(list(pipes), seconds)
        return [link for connection, link in pipes.items() if connection in heard]
