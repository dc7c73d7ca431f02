"""What is left of a plan and what it costs: time guessed from earlier cells, disk from the models' sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.cli.rates import Rates
from harness.contracts import CellState, PlannedCell
from harness.errors import InputError
from harness.execute.plan import most_on_a_gpu
from harness.words import amount

BYTES_A_PARAMETER: Final = 4
BYTES_BESIDE_THE_MODEL: Final = 1_000_000
"""Predictions, pictures and text of a cell."""
MOST_WORKERS: Final = 8


@dataclass(frozen=True, slots=True)
class Bill:
    """What the cells that are to be run will take in all."""

    cells: int
    unknown: int
    """How many of them nothing is known of; they are not in `seconds`."""
    seconds: float
    """With all workers busy."""


def cells_to_run(states: Iterable[CellState], stale: bool) -> tuple[PlannedCell, ...]:
    """Return the cells that `harness run` would run: missing and failed ones, and stale ones where asked for."""
    wanted = {"missing", "failed", "stale"} if stale else {"missing", "failed"}
    return tuple(state.planned for state in states if state.state in wanted)


@dataclass(frozen=True, slots=True)
class Crew:
    """Who runs the cells: workers at most, on which devices, and whether measuring finds how many of them are busy."""

    workers: int
    devices: tuple[str, ...]
    packed: bool = False

    @property
    def sure(self) -> int:
        """How many cells run side by side in any case."""
        return min(self.workers, len(self.devices)) if self.packed else self.workers

    @property
    def text(self) -> str:
        """What a run says of it."""
        where = self.devices[0] if len(self.devices) == 1 else amount(len(self.devices), "GPU")
        if self.packed:
            return f"up to {amount(self.workers, 'worker')} on {where}, packed by measurement"
        return f"{amount(self.workers, 'worker')} on {where}"


def bill_of(cells: Sequence[PlannedCell], rates: Rates, workers: int) -> Bill:
    """Return the time that cells take on so many workers; the longest cell is the least it can be."""
    guesses = [rates.guess(planned.cell) for planned in cells]
    known = [seconds for seconds in guesses if seconds is not None]
    busy = max(1, min(workers, len(cells)))
    return Bill(len(cells), len(guesses) - len(known), max(sum(known) / busy, max(known, default=0.0)))


def disk_bytes(parameters: Mapping[str, int | None], cells: Iterable[PlannedCell]) -> int:
    """Return the bytes that cells leave in the store, from the parameter counts by cell key."""
    return sum(BYTES_A_PARAMETER * (parameters.get(each.key) or 0) + BYTES_BESIDE_THE_MODEL for each in cells)


def crew_for(asked: int | None, executor: str, devices: tuple[str, ...], cores: int, cells: int) -> Crew:
    """Return who runs so many cells: as many workers as asked for; else as packing finds; else one a core up to eight.

    Never more than there are cells, so that each has all the threads it can use.
    """
    if executor == "inline":
        return Crew(1, devices)
    on_gpus = devices[0].startswith("cuda")
    most = len(devices) * most_on_a_gpu(len(devices)) if on_gpus else min(cores, MOST_WORKERS)
    workers = max(1, min(asked or most, cells))
    return Crew(workers, devices, packed=on_gpus and asked is None and workers > 1)


def refuse_hours(seconds: float, hours: float | None) -> None:
    """Refuse a plan that is known to take longer than its budget.

    Raises:
        InputError: naming both figures.
    """
    if hours is not None and seconds > 3600 * hours:
        raise InputError(f"the plan takes about {seconds / 3600:.1f} h, budget.hours is {hours:g}; nothing is run")


def refuse_disk(needed_bytes: int, disk_gb: float | None) -> None:
    """Refuse a plan that leaves more on disk than its budget.

    Raises:
        InputError: naming both figures.
    """
    if disk_gb is not None and needed_bytes > 1e9 * disk_gb:
        raise InputError(f"the plan leaves {needed_bytes / 1e9:.1f} GB, budget.disk_gb is {disk_gb:g}; nothing is run")
