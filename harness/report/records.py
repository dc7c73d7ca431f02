"""What the report asks of a tracking store: nothing else is ever read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from harness.contracts import Opening, StudyPlan


class RunRecord(Protocol):
    """A run as the store holds it; `start` and `end` are Unix seconds."""

    @property
    def run_id(self) -> str:
        """The run's id in MLflow."""

    @property
    def kind(self) -> str:
        """matrix, cell, study or trial."""

    @property
    def name(self) -> str:
        """The run's name."""

    @property
    def status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""

    @property
    def start(self) -> float:
        """When it began."""

    @property
    def end(self) -> float | None:
        """When it ended; None while it runs."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags by name."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """The last value of each metric."""


class ReportStore(Protocol):
    """A tracking store, to read from."""

    @property
    def uri(self) -> str:
        """Where it is: a server's address, or a database's."""

    def plan(self, study: str) -> StudyPlan | None:
        """Return the newest plan of a study, None if it was never run."""

    def records(self, study: str) -> Sequence[RunRecord]:
        """Return all runs of a study, oldest first."""

    def cell_records(self, keys: Iterable[str]) -> Mapping[str, Sequence[RunRecord]]:
        """Return the runs of each cell, oldest first, whichever study they were made for."""

    def history(self, run_id: str, metrics: Iterable[str] | None = None) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Return (step, value) of each metric in step order."""

    def artifact(self, run_id: str, path: str) -> Path | None:
        """Return an artifact's file or folder, None if the run has none of that name."""

    def openings(self, keys: Iterable[str] | None = None) -> Sequence[Opening]:
        """Return the ledger's lines for some cells, oldest first."""
