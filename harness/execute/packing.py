"""Which device each cell runs on, and when there is room for another: on GPUs by measured memory and gain.

Unless the number of workers is given, each GPU begins with one cell, and
1. gets one more while the work done per second is measured to grow by a tenth each time;
2. gets it only if what a cell like it has used (an unknown one: the most that any has) is free, by NVML's count;
3. gets the next one when all that run there have told an epoch, so that what is measured is one thing at a time.
Where memory runs out beside others, so many of these kinds of cells do not run side by side there again.

Nothing here looks at a clock or knows a process: the same events give the same places.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from harness.contracts import Cell
from harness.contracts.running import Job
from harness.execute.plan import RunSettings, most_on_a_gpu
from harness.matrix import flatten
from harness.measure.environment import choose_devices
from harness.measure.machine import free_bytes

GAIN: Final = 1.1
"""By how much one cell more must raise the work done per second."""
ENOUGH_SECONDS: Final = 2.0
"""Of whole epochs, before a pace is believed."""
_ALIKE: Final = ("dataset.", "model.", "recipe.batch_size", "recipe.precision", "recipe.augment", "recipe.ema")
MARGIN_BYTES: Final = 2**30
"""Kept free beside what a cell needs: for a further worker's CUDA context, and for what grows after an epoch."""

Kind = tuple[tuple[str, object], ...]
"""What cells share that take the same time an epoch and the same memory."""


def open_packing(settings: RunSettings) -> Packing:
    """Return the packing of a run, with all devices empty.

    Raises:
        InputError: there is no such device.
    """
    names = choose_devices(settings.device)
    most = most_on_a_gpu(len(names)) if settings.packed else sys.maxsize
    level = 1 if settings.packed else most
    return Packing([Device(name, Concurrency(most, level)) for name in names], settings.packed, free_bytes)


def kind_of(cell: Cell, parts: int = 1) -> Kind:
    """Return the kind of a cell whose batches are taken in so many micro-batches."""
    alike = ((name, value) for name, value in flatten(cell).items() if name.startswith(_ALIKE))
    return (("parts", parts), *alike)


@dataclass(slots=True)
class Packing:
    """Gives cells their devices. An empty device has room for any cell."""

    devices: Sequence[Device]
    is_measured: bool
    """Whether levels are found by measuring; else there is room as long as the executor has workers."""
    free: Callable[[str], int | None]
    """The bytes that are free on a device by name; None where nobody knows."""
    _needs: dict[Kind, int] = field(default_factory=dict)
    """The most bytes that cells of a kind were seen to take."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all devices."""
        return tuple(device.name for device in self.devices)

    def place(self, key: str, kind: Kind, alone: bool = False) -> str | None:
        """Give a cell the device with the fewest cells, of such the one with most memory free; None if none has room.

        A cell that is to run `alone` gets an empty one, and none comes beside it.
        """
        able = [device for device in self.devices if self._has_room(device, kind, alone)]
        if not able:
            return None
        free = {device.name: self.free(device.name) for device in able}
        device = min(able, key=lambda each: (len(each.occupants), -(free[each.name] or 0)))
        device.occupants[key] = Occupant(kind, alone, free[device.name])
        return device.name

    def placed(self, job: Job) -> Job:
        """Return a job with the device of its place, as it is where it has none."""
        device = self._device_of(job.id)
        return job if device is None else replace(job, device=device.name)

    def hear(self, key: str, epoch_seconds: float) -> None:
        """Note that a cell has told an epoch which took so long. One in which a cell came or left tells nothing."""
        device = self._device_of(key)
        if device is None or not self.is_measured:
            return
        occupant = device.occupants[key]
        occupant.epochs += 1
        if occupant.epochs == 1:
            self._note_need(device, occupant)
        elif occupant.crowd is not None and occupant.crowd == device.crowd:
            device.concurrency.hear(occupant.kind, device.kinds, epoch_seconds)
        occupant.crowd = device.crowd

    def ran_out(self, key: str) -> bool:
        """Note that a cell ran out of memory; return whether others of this run were on its GPU."""
        device = self._device_of(key)
        if device is None or len(device.occupants) == 1 or not device.name.startswith("cuda"):
            return False
        device.concurrency.give_up(device.kinds)
        return True

    def leave(self, key: str, peak_bytes: float = 0.0) -> None:
        """Note that a cell has ended, and the most memory that it had in use if it knows; or that it never began."""
        device = self._device_of(key)
        if device is None:
            return
        gone = device.occupants.pop(key)
        self._needs[gone.kind] = max(self._needs.get(gone.kind, 0), int(peak_bytes))
        for each in device.occupants.values():
            each.free_before = None

    def _has_room(self, device: Device, kind: Kind, alone: bool) -> bool:
        beside = device.occupants.values()
        if not beside:
            return True
        if alone or any(each.alone for each in beside):
            return False
        if len(beside) >= device.concurrency.allowed([*device.kinds, kind]):
            return False
        return not self.is_measured or (device.crowd is not None and self._fits(device, kind))

    def _fits(self, device: Device, kind: Kind) -> bool:
        free = self.free(device.name)
        need = self._needs.get(kind) or max(self._needs.values(), default=0)
        return free is not None and need + MARGIN_BYTES <= free

    def _note_need(self, device: Device, occupant: Occupant) -> None:
        """Note what a cell has taken since it came: it was the only one that was not yet at work."""
        now = self.free(device.name)
        if now is not None and occupant.free_before is not None:
            taken = occupant.free_before - now
            self._needs[occupant.kind] = max(self._needs.get(occupant.kind, 0), taken)

    def _device_of(self, key: str) -> Device | None:
        return next((device for device in self.devices if key in device.occupants), None)


NOWHERE: Final = Packing((), False, free_bytes)
"""Of what runs nothing."""


@dataclass(slots=True)
class Device:
    """A device and who runs on it."""

    name: str
    concurrency: Concurrency
    occupants: dict[str, Occupant] = field(default_factory=dict)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the cells that run here."""
        return [each.kind for each in self.occupants.values()]

    @property
    def crowd(self) -> int | None:
        """How many cells run here; None while one of them is only beginning: it has told no epoch yet."""
        return len(self.occupants) if all(each.epochs for each in self.occupants.values()) else None


@dataclass(slots=True)
class Occupant:
    """A cell that runs on a device."""

    kind: Kind
    alone: bool
    free_before: int | None
    """Bytes that were free as it came; None where that no longer tells what it takes."""
    epochs: int = 0
    """Told since it began."""
    crowd: int | None = None
    """`Device.crowd` when its epoch began."""


@dataclass(slots=True)
class Concurrency:
    """The level of one GPU: how many cells may run side by side there, at most `most`.

    A level is tried when the one below it has been measured. Those cells judge it whose kind was measured at both:
    the mean of their paces, after over before, times the number of cells, after over before, is what the work done
    per second has grown by, if the newcomer is slowed as much as they are. So no pace is compared across models.
    One cell too many costs little, for a full GPU shares itself out; one too few costs its share. So where nobody
    can judge the level it is left as it is, and the next one is tried.
    """

    most: int
    level: int = 1
    _limits: dict[Kind, int] = field(default_factory=dict)
    """How many cells may run where one of them is of this kind: one less than was too many."""
    _paces: dict[tuple[Kind, int], Pace] = field(default_factory=dict)

    def allowed(self, kinds: Sequence[Kind]) -> int:
        """Return how many cells may run side by side if they are of these kinds."""
        return min(self.level, self.most, *(self._limits.get(kind, self.most) for kind in kinds))

    def hear(self, kind: Kind, kinds: Sequence[Kind], seconds: float) -> None:
        """Note an epoch of a cell of `kind` during which cells of `kinds` ran, itself among them; judge the level."""
        pace = self._paces.setdefault((kind, len(kinds)), Pace())
        pace.epochs, pace.seconds = pace.epochs + 1, pace.seconds + seconds
        if len(kinds) != self.level:
            return
        gain = self._gain(kinds)
        if gain is not None and gain >= GAIN:
            self.level += 1
        elif gain is not None:
            self.give_up(kinds)

    def give_up(self, kinds: Sequence[Kind]) -> None:
        """Go back by one: so many cells of these kinds never run side by side again."""
        limit = max(1, len(kinds) - 1)
        for kind in kinds:
            self._limits[kind] = min(limit, self._limits.get(kind, limit))
        self.level = min(self.level, limit)

    def _gain(self, kinds: Sequence[Kind]) -> float | None:
        """Return the work done per second over that with one cell less; None until it has been measured.

        Infinite where none of them was measured with one less: the first cell, and where kinds have changed.
        """
        number = len(kinds)
        judges = [kind for kind in kinds if self._pace(kind, number - 1).is_known]
        if not all(self._pace(kind, number).is_known for kind in judges or kinds):
            return None
        if not judges:
            return math.inf
        slowed = fmean(self._pace(kind, number).rate / self._pace(kind, number - 1).rate for kind in judges)
        return slowed * number / (number - 1)

    def _pace(self, kind: Kind, number: int) -> Pace:
        return self._paces.get((kind, number), Pace())


@dataclass(slots=True)
class Pace:
    """Epochs of a kind of cell beside a number of others, and the time that they took."""

    epochs: int = 0
    seconds: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether enough was measured."""
        return self.seconds >= ENOUGH_SECONDS

    @property
    def rate(self) -> float:
        """Epochs a second."""
        return self.epochs / self.seconds
