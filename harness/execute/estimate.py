"""What a plan takes, guessed before anything is run: who runs it, for how long, and what it leaves on disk.

Time is guessed from finished cells. One of the same model and data tells the time an epoch; where there is none, the
network nearest in floating-point operations does, scaled. A model that fits itself is only like its own kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log
from statistics import fmean
from typing import Final

from harness.contracts import Cell, CellState, PlannedCell, StudyPlan
from harness.contracts.metrics import FLOPS, TOTAL_SECONDS, TRAIN_SECONDS
from harness.errors import InputError
from harness.execute.plan import most_on_a_gpu, states
from harness.matrix import flatten
from harness.measure.environment import choose_devices, usable_cores
from harness.track import Record, Store
from harness.track.runs import MODEL_KEPT, text_of
from harness.words import amount

BYTES_A_PARAMETER: Final = 4
BYTES_BESIDE_THE_MODEL: Final = 1_000_000
"""Predictions, pictures and text of a cell."""
MOST_WORKERS: Final = 8
DELETED: Final = "its run was deleted in MLflow"
"""Why a cell is missing that was run before."""
GROWTH: Final = 2 / 3
"""The time of a step grows as this power of its operations: small networks wait for each operation to start, only
large ones for its arithmetic. From digits' networks of 4e4 to 5e6 operations on two cores the power is 0.5."""

_Likeness = tuple[tuple[str, str], ...]
_NEAR: Final = ("dataset.", "model.", "recipe.batch_size")
_FAR: Final = ("dataset.", "model.name")
_DATA: Final = ("dataset.",)
"""Which parameters two cells must share to take about the same time an epoch: closely, at least, and scaled."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a finished cell took: seconds of fitting an epoch, and seconds of all the rest."""

    epoch: float
    rest: float
    flops: float | None


class Rates:
    """What cells took, and from that what others will; in a smoke run each trains for one epoch."""

    def __init__(self, smoke: bool = False) -> None:
        self.smoke = smoke
        self._seen: defaultdict[_Likeness, list[Seen]] = defaultdict(list)

    def add(self, cell: Cell, seconds: float, metrics: Mapping[str, float] | None = None) -> None:
        """Remember that the whole of a cell took so long; its final metrics say which part of it was fitting."""
        self._add(_params(cell), seconds, metrics or {})

    def add_record(self, record: Record) -> None:
        """Remember a finished cell of the store."""
        if TOTAL_SECONDS in record.metrics:
            self._add(record.params, record.metrics[TOTAL_SECONDS], record.metrics)

    def guess(self, cell: Cell, flops: float | None = None, *, is_fitted: bool = False) -> float | None:
        """Return the seconds that the whole cell will take, None when nothing like it was seen.

        Args:
            cell: Any cell.
            flops: Operations of a forward pass of its network over one image, where they are known.
            is_fitted: Whether its fitted model is there, so that it takes no fit.
        """
        params, epochs = _params(cell), self.epochs_of(cell)
        near, far = (self._seen.get(_likeness(params, paths)) for paths in (_NEAR, _FAR))
        seen = near or (self._scaled(params, flops) if flops and cell.recipe else None) or far
        fitting = 0 if is_fitted else epochs
        return fmean(each.epoch * fitting + each.rest for each in seen) if seen else None

    def epochs_of(self, cell: Cell) -> int:
        """Return how many epochs a cell trains for; 1 for a model that fits itself."""
        return cell.recipe.epochs if cell.recipe and not self.smoke else 1

    @property
    def has_networks(self) -> bool:
        """Whether any network was seen."""
        return any(each.flops for seen in self._seen.values() for each in seen)

    def _add(self, params: Mapping[str, str], seconds: float, metrics: Mapping[str, float]) -> None:
        epochs = 1 if self.smoke else int(params.get("recipe.epochs", "1"))
        fit = min(seconds, metrics.get(TRAIN_SECONDS, seconds))
        seen = Seen(fit / epochs, seconds - fit, metrics.get(FLOPS) or None)
        for paths in (_NEAR, _FAR, _DATA):
            self._seen[_likeness(params, paths)].append(seen)

    def _scaled(self, params: Mapping[str, str], flops: float) -> list[Seen]:
        """Return what the networks nearest in operations took on the same data, their epochs scaled to `flops`."""
        known = [each for each in self._seen.get(_likeness(params, _DATA), ()) if each.flops]
        nearest = min((each.flops or 1.0 for each in known), key=lambda other: abs(log(other / flops)), default=flops)
        factor = (flops / nearest) ** GROWTH
        return [Seen(each.epoch * factor, each.rest, flops) for each in known if each.flops == nearest]


def rates_of(records: Iterable[Record], device: str, smoke: bool = False) -> Rates:
    """Return what finished cells tell of the time on `device` (cpu, cuda or cuda:N)."""
    rates = Rates(smoke)
    for record in records:
        kind = record.tags.get("harness.device", "").partition(":")[0]
        if record.kind in {"cell", "trial"} and record.status == "FINISHED" and kind == device.partition(":")[0]:
            rates.add_record(record)
    return rates


def _params(cell: Cell) -> dict[str, str]:
    return {name: text_of(value) for name, value in flatten(cell).items()}


def _likeness(params: Mapping[str, str], paths: tuple[str, ...]) -> _Likeness:
    chosen = {name: value for name, value in params.items() if name.startswith(paths)}
    chosen.pop("dataset.validation.seed", None)
    return (("paths", " ".join(paths)), *sorted(chosen.items()))


@dataclass(frozen=True, slots=True)
class Workers:
    """Who runs the cells: how many at most, on which devices, and whether measuring finds how many of them are busy."""

    count: int
    devices: tuple[str, ...]
    packed: bool = False

    @property
    def sure(self) -> int:
        """How many cells run side by side in any case."""
        return min(self.count, len(self.devices)) if self.packed else self.count

    @property
    def text(self) -> str:
        """What a run says of it."""
        where = self.devices[0] if len(self.devices) == 1 else amount(len(self.devices), "GPU")
        if self.packed:
            return f"up to {amount(self.count, 'worker')} on {where}, packed by measurement"
        return f"{amount(self.count, 'worker')} on {where}"


def devices_for(executor: str, device: str) -> tuple[str, ...]:
    """Return the devices that cells run on, as far as they are known here: of a cluster's the kind.

    Raises:
        InputError: there is no such device.
    """
    return ("cuda",) if executor == "ray" and device == "cuda" else choose_devices(device)


def workers_for(asked: int | None, executor: str, devices: tuple[str, ...], cells: int) -> Workers:
    """Return who runs so many cells: as many workers as asked for; else as packing finds; else one a core up to eight.

    Never more than there are cells, so that each has all the threads it can use.
    """
    if executor == "inline":
        return Workers(1, devices)
    if executor == "ray":
        return Workers(max(1, min(asked or MOST_WORKERS, cells)), devices)
    on_gpus = devices[0].startswith("cuda")
    most = len(devices) * most_on_a_gpu(len(devices)) if on_gpus else min(usable_cores(), MOST_WORKERS)
    count = max(1, min(asked or most, cells))
    return Workers(count, devices, packed=on_gpus and asked is None and count > 1)


@dataclass(frozen=True)
class Estimate:
    """Where each planned cell stands, what is left to do and who does it; `flops` by key, as far as they are known."""

    states: tuple[CellState, ...]
    todo: tuple[PlannedCell, ...]
    workers: Workers
    rates: Rates
    flops: Mapping[str, float] = field(default_factory=dict)

    def seconds_of(self, planned: PlannedCell) -> float | None:
        """Return how long a cell will take, None when nothing is known of it."""
        is_fitted = planned.id not in self.fits
        return self.rates.guess(planned.cell, self.flops.get(planned.key), is_fitted=is_fitted)

    @cached_property
    def fits(self) -> frozenset[str]:
        """The ids of the cells that are fitted: the others take the model of one that fits alike."""
        kept = {state.planned.fit for state in self.states if state.state == "done" or state.reason in MODEL_KEPT}
        first = {planned.fit or planned.id: planned.id for planned in reversed(self.todo) if planned.fit not in kept}
        return frozenset(first.values()) | {each.id for each in self.todo if not each.fit}

    @property
    def deletions(self) -> tuple[str, ...]:
        """What is to be said of cells whose runs were deleted, if there are any."""
        gone = sum(each.reason == DELETED for each in self.states)
        return (f"{amount(gone, 'cell')} to run: {DELETED}, by itself or with its study",) if gone else ()

    @property
    def unknown(self) -> int:
        """How many of the cells to be run nothing is known of; they are not in `seconds`."""
        return sum(self.seconds_of(planned) is None for planned in self.todo)

    @property
    def seconds(self) -> float:
        """How long all of it takes with every worker busy; the longest cell is the least it can be."""
        known = [seconds for seconds in map(self.seconds_of, self.todo) if seconds is not None]
        busy = max(1, min(self.workers.sure, len(self.todo)))
        return max(sum(known) / busy, max(known, default=0.0))

    @property
    def wants_flops(self) -> bool:
        """Whether there are networks of which nothing is known, but which could be guessed from others."""
        networks = [planned for planned in self.todo if planned.cell.recipe]
        others = self.rates.has_networks or len({planned.cell.model.name for planned in networks}) > 1
        return others and any(self.seconds_of(planned) is None for planned in networks)

    def noted(self, plan: StudyPlan) -> StudyPlan:
        """Return the plan whose cells to run carry what was foreseen of their time, for the report to hold it up."""
        todo = {planned.id for planned in self.todo}
        return plan.model_copy(update={"cells": tuple(self._noted(each, each.id in todo) for each in plan.cells)})

    def _noted(self, planned: PlannedCell, is_to_run: bool) -> PlannedCell:
        seconds = self.seconds_of(planned) if is_to_run else None
        if seconds is None:
            return planned
        return planned.model_copy(update={"tags": {**planned.tags, "harness.estimated_seconds": f"{seconds:.3f}"}})


def estimate(
    plan: StudyPlan,
    store: Store | None,
    *,
    device: str,
    workers: int | None,
    executor: str,
    stale: bool = False,
    smoke: bool = False,
) -> Estimate:
    """Return what is left to do of a plan: missing and failed cells, and stale ones where asked for.

    Args:
        plan: The plan.
        store: Where its cells are; None where nothing was run yet, so that everything is left.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        workers: How many are asked for, None for as many as are of use.
        executor: `inline`, `local` or `ray`.
        stale: Whether stale cells are run again.
        smoke: Whether cells are cut to a few batches.

    Raises:
        InputError: there is no such device.
        StoreError: the store cannot be read.
    """
    devices = devices_for(executor, device)
    standing = states(plan, store) if store else tuple(CellState(each, "missing") for each in plan.cells)
    standing = _with_deletions(standing, store)
    rates = rates_of(store.records(plan.study) if store else (), devices[0], smoke)
    wanted = {"missing", "failed", "stale"} if stale else {"missing", "failed"}
    todo = tuple(each.planned for each in standing if each.state in wanted)
    return Estimate(standing, todo, workers_for(workers, executor, devices, len(todo)), rates)


def _with_deletions(standing: Sequence[CellState], store: Store | None) -> tuple[CellState, ...]:
    """Return the states, those with their reason that are missing because somebody deleted their run."""
    missing = [each.planned.key for each in standing if each.state == "missing" and each.run_id is None]
    gone = store.deleted_keys(missing) if store and missing else frozenset()
    return tuple(replace(each, reason=DELETED) if each.planned.key in gone else each for each in standing)


def disk_bytes(parameters: Mapping[str, int | None], cells: Sequence[PlannedCell]) -> int:
    """Return the bytes that cells leave in the store, from the parameter counts by cell key."""
    return sum(BYTES_A_PARAMETER * (parameters.get(each.key) or 0) + BYTES_BESIDE_THE_MODEL for each in cells)


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
