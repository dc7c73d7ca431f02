"""Outcomes of cells as values, and who watches them come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from harness.contracts.study import PlannedCell

State = Literal["done", "missing", "failed", "running", "stale"]
"""What the store says of a planned cell before a run."""


@dataclass(frozen=True, slots=True)
class CellState:
    """A planned cell and where it stands; `reason` says why it failed or counts as stale."""

    planned: PlannedCell
    state: State
    run_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one cell ended in this run; a failed one is a value, not an exception."""

    planned: PlannedCell
    state: Literal["finished", "skipped", "failed", "pruned", "interrupted"]
    run_id: str | None = None
    seconds: float = 0.0
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_worth_retrying: bool = False
    """Whether it failed by the machine's fault, such as a worker that died."""


class Watcher(Protocol):
    """Shows a run as it goes. Called from the driver process only."""

    def started(self, planned: PlannedCell, device: str) -> None:
        """A cell begins to run."""

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch (from 1) of a running cell is over. Raising PrunedError ends the fit: the cell is pruned."""

    def ended(self, outcome: Outcome) -> None:
        """A cell is finished, skipped, failed, pruned or interrupted."""


class SilentWatcher:
    """Watches and says nothing."""

    def started(self, planned: PlannedCell, device: str) -> None:
        """Say nothing."""

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Say nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Say nothing."""
