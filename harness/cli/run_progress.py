"""Where a run stands: what the driver's events add up to, as the display may read them at any moment."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from threading import RLock
from typing import Final

from harness.contracts import Outcome, PlannedCell
from harness.contracts.metrics import EPOCH_SECONDS, FLOPS, TOTAL_SECONDS
from harness.execute.estimate import Rates, Workers

ALONE: Final = Workers(1, ("cpu",))


@dataclass(frozen=True, slots=True)
class Running:
    """A running cell of `epochs` epochs; `metrics` are those of the last finished one (`epoch` 0: none yet)."""

    planned: PlannedCell
    device: str
    begun: float
    epochs: int
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    heard: float = 0.0
    """When the last epoch was over."""
    epoch_seconds: float = 0.0
    """What an epoch takes."""

    @property
    def share(self) -> float:
        """The share of its epochs that are over, in [0, 1]."""
        return min(1.0, self.epoch / self.epochs)

    @property
    def seconds(self) -> float:
        """What the whole cell will have taken, by its epochs so far."""
        return self.heard - self.begun + self.epoch_seconds * max(0, self.epochs - self.epoch)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment, and how long each running cell has been running, in seconds."""

    running: tuple[tuple[Running, float], ...]
    ended: Mapping[str, int]
    """How many cells ended in each state."""
    total: int
    seconds: float
    left: float | None
    """A guess of the time left, None while there is nothing to guess from."""
    done: float
    """The share of the work that is over, in [0, 1]: ended cells, and running ones by their epochs."""


class RunProgress:
    """What the events of a run of `cells` add up to; times by `now`, in seconds. Any thread may call it."""

    def __init__(
        self,
        cells: Sequence[PlannedCell],
        rates: Rates,
        workers: Workers = ALONE,
        flops: Mapping[str, float] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cells = {planned.id: planned for planned in cells}
        self._kinds = {planned.id: _kind(planned) for planned in cells}
        self._rates = rates
        self._workers = workers
        self._flops = flops or {}
        self._beside = 1
        self._now = now
        self._begun = now()
        self._running: dict[str, Running] = {}
        self._ended: dict[str, Outcome] = {}
        self._guesses: dict[str, float | None] = {}
        """By kind: all seeds of a variant take the same time."""
        self.lock = RLock()

    @property
    def total(self) -> int:
        """How many cells are to be run."""
        return len(self._cells)

    @property
    def ended_count(self) -> int:
        """How many cells have ended, however they did."""
        return len(self._ended)

    def follows(self, planned: PlannedCell) -> bool:
        """Whether a cell is one of those to be run now."""
        return planned.id in self._cells

    def started(self, planned: PlannedCell, device: str) -> None:
        """Take a cell for running; one that is tried again has not ended after all."""
        with self.lock:
            self._ended.pop(planned.id, None)
            self._running[planned.id] = Running(planned, device, self._now(), self._rates.epochs_of(planned.cell))
            self._beside = len(self._running)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note the last finished epoch of a running cell."""
        with self.lock:
            if planned.id not in self._running:
                self.started(planned, "")
            before = self._running[planned.id]
            if not before.epoch:
                self._guesses.clear()
            now = self._now()
            seconds = metrics.get(EPOCH_SECONDS) or (now - before.begun) / max(1, epoch)
            usual = fmean([seconds, before.epoch_seconds]) if before.epoch else seconds
            self._running[planned.id] = replace(before, epoch=epoch, metrics=metrics, heard=now, epoch_seconds=usual)

    def ended(self, outcome: Outcome) -> None:
        """Note how a cell ended, and how long one like it will take."""
        with self.lock:
            self._running.pop(outcome.planned.id, None)
            self._ended[outcome.planned.id] = outcome
            if outcome.state == "finished":
                self._rates.add(outcome.planned.cell, seconds_of(outcome), outcome.metrics)
                self._guesses.clear()

    def snapshot(self) -> Snapshot:
        """Return the run as it stands now."""
        with self.lock:
            now = self._now()
            return Snapshot(
                running=tuple((each, now - each.begun) for each in self._running.values()),
                ended=Counter(outcome.state for outcome in self._ended.values()),
                total=self.total,
                seconds=now - self._begun,
                left=self.seconds_left(),
                done=self._done(),
            )

    def _done(self) -> float:
        """Return the share of the work that is over, each cell weighing what it takes as far as that can be guessed."""
        weights = self._filled({key: self._guess(key) for key in self._cells}) or dict.fromkeys(self._cells, 1.0)
        over = sum(weights[key] for key in self._ended if key in weights)
        over += sum(weights[key] * each.share for key, each in self._running.items() if key in weights)
        return over / (sum(weights.values()) or 1.0)

    def seconds_left(self) -> float | None:
        """Return a guess of the time left, or None while there is nothing to guess from."""
        with self.lock:
            wholes = {key: each.seconds if each.epoch else self._guess(key) for key, each in self._running.items()}
            waiting = [key for key in self._cells if key not in self._running and key not in self._ended]
            wholes |= {key: self._guess(key) for key in waiting}
            known = self._filled(wholes)
            if known is None:
                return None
            now = self._now()
            begun = {key: now - each.begun for key, each in self._running.items()}
            left = [max(0.0, seconds - begun.get(key, 0.0)) for key, seconds in known.items()]
            return max(max(left, default=0.0), sum(left) / max(1, min(self.at_work, len(left))))

    @property
    def at_work(self) -> int:
        """How many cells run side by side: all workers or, where packing decides, as many as when the last began."""
        return self._beside if self._workers.packed else self._workers.count

    def _guess(self, key: str) -> float | None:
        """Return what a whole cell takes, by finished cells like it or by running ones."""
        kind = self._kinds.get(key, key)
        if kind not in self._guesses:
            planned = self._planned(key)
            cell, flops = planned.cell, self._flops.get(planned.key)
            guess = self._rates.guess(cell, flops)
            self._guesses[kind] = guess if guess is not None else self._projected().guess(cell, flops)
        return self._guesses[kind]

    def _planned(self, key: str) -> PlannedCell:
        return self._cells.get(key) or self._running[key].planned

    def _projected(self) -> Rates:
        """Return what the running cells tell of the time that others will take."""
        rates = Rates(self._rates.smoke)
        for each in self._running.values():
            if each.epoch:
                flops = self._flops.get(each.planned.key)
                metrics = {} if flops is None else {FLOPS: flops}
                rates.add(each.planned.cell, each.epochs * each.epoch_seconds, metrics)
        return rates

    def _filled(self, seconds: Mapping[str, float | None]) -> dict[str, float] | None:
        """Return each cell's time, the mean of its family for those of which nothing is known.

        A network is never taken for as quick as a model that fits itself: None where no network is known of.
        """
        ended = [each for each in self._ended.values() if each.state == "finished"]
        means: dict[bool, float | None] = {}
        for trained in (True, False):
            mine = [time for key, time in seconds.items() if time is not None and self._is_trained(key) == trained]
            mine = mine or [seconds_of(each) for each in ended if (each.planned.cell.recipe is not None) == trained]
            means[trained] = fmean(mine) if mine else None
        means[False] = means[True] if means[False] is None else means[False]
        filled = {key: means[self._is_trained(key)] if time is None else time for key, time in seconds.items()}
        known = {key: time for key, time in filled.items() if time is not None}
        return known if len(known) == len(filled) else None

    def _is_trained(self, key: str) -> bool:
        return self._planned(key).cell.recipe is not None


def _kind(planned: PlannedCell) -> str:
    return planned.cell.model_copy(update={"seed": 0}).model_dump_json()


def seconds_of(outcome: Outcome) -> float:
    """Return what a finished cell took by its own account, without the start of its worker."""
    return outcome.metrics.get(TOTAL_SECONDS, outcome.seconds)
