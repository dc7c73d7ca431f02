"""What the events of a run add up to: who runs, how many are done, how long it will take still."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from harness.cli.cost import Crew
from harness.cli.rates import Rates, epochs_of
from harness.contracts import Outcome, PlannedCell
from harness.contracts.metrics import TOTAL_SECONDS

ALONE: Final = Crew(1, ("cpu",))


@dataclass(frozen=True, slots=True)
class Running:
    """A running cell; `metrics` are those of its last finished epoch (0: none yet)."""

    planned: PlannedCell
    device: str
    begun: float
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of its epochs that are over, in [0, 1]."""
        return min(1.0, self.epoch / epochs_of(self.planned.cell))


class Board:
    """Follows a run of `cells`, those that are to be run now; times by `now`, in seconds."""

    def __init__(
        self,
        cells: Sequence[PlannedCell],
        rates: Rates,
        crew: Crew = ALONE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cells = {planned.key: planned for planned in cells}
        self._rates = rates
        self._crew = crew
        self._beside = 1
        self._now = now
        self._begun = now()
        self._running: dict[str, Running] = {}
        self._ended: dict[str, Outcome] = {}

    @property
    def total(self) -> int:
        """How many cells are to be run."""
        return len(self._cells)

    @property
    def running(self) -> tuple[Running, ...]:
        """The running cells, the longest running first."""
        return tuple(self._running.values())

    @property
    def at_work(self) -> int:
        """How many cells run side by side: all workers or, where packing decides, as many as when the last began."""
        return self._beside if self._crew.packed else self._crew.workers

    @property
    def seconds(self) -> float:
        """How long the run has been going on."""
        return self._now() - self._begun

    def count(self, *states: str) -> int:
        """Return how many cells have ended in one of these states."""
        return sum(outcome.state in states for outcome in tuple(self._ended.values()))

    def elapsed(self, running: Running) -> float:
        """Return how long a cell has been running, in seconds."""
        return self._now() - running.begun

    def follows(self, planned: PlannedCell) -> bool:
        """Whether a cell is one of those to be run now."""
        return planned.key in self._cells

    def started(self, planned: PlannedCell, device: str) -> None:
        """Take a cell for running; one that is tried again has not ended after all."""
        self._ended.pop(planned.key, None)
        self._running[planned.key] = Running(planned, device, self._now())
        self._beside = len(self._running)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the last finished epoch of a running cell."""
        before = self._running.get(planned.key) or Running(planned, "", self._now())
        self._running[planned.key] = replace(before, epoch=epoch, metrics=metrics)

    def ended(self, outcome: Outcome) -> None:
        """Note how a cell ended, and how long one like it will take."""
        self._running.pop(outcome.planned.key, None)
        self._ended[outcome.planned.key] = outcome
        if outcome.state == "finished":
            self._rates.add(outcome.planned.cell, seconds_of(outcome))

    def seconds_left(self) -> float | None:
        """Return a guess of the time left, or None while there is nothing to guess from.

        A cell of a kind that was not seen yet counts as the mean of the others.
        """
        running = {each.planned.key: self._whole_of(each) for each in self.running}
        waiting = self._waiting(running)
        known = [seconds for seconds in (*running.values(), *waiting) if seconds is not None]
        ended = [seconds_of(outcome) for outcome in tuple(self._ended.values()) if outcome.state == "finished"]
        if (running or waiting) and not (known or ended):
            return None
        usual = fmean(known or ended or [0.0])
        left = [max(0.0, (running[each.planned.key] or usual) - self.elapsed(each)) for each in self.running]
        left += [usual if seconds is None else seconds for seconds in waiting]
        return max(max(left, default=0.0), sum(left) / max(1, min(self.at_work, len(left))))

    def _whole_of(self, running: Running) -> float | None:
        """Return the time that a running cell will have taken, by its epochs so far or by cells like it."""
        if running.epoch:
            return self.elapsed(running) * epochs_of(running.planned.cell) / running.epoch
        return self._rates.guess(running.planned.cell)

    def _waiting(self, running: Mapping[str, float | None]) -> list[float | None]:
        """Return the time of each cell that has not begun, by finished cells like it or by running ones."""
        projected = Rates()
        for key, seconds in running.items():
            if seconds is not None:
                projected.add(self._cells[key].cell, seconds)
        cells = [each.cell for key, each in self._cells.items() if key not in running and key not in self._ended]
        return [self._rates.guess(cell) or projected.guess(cell) for cell in cells]


def seconds_of(outcome: Outcome) -> float:
    """Return what a finished cell took by its own account, without the start of its worker."""
    return outcome.metrics.get(TOTAL_SECONDS, outcome.seconds)
