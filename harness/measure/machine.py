"""Energy of a fit, from the counters that the machine itself keeps: RAPL for processors, NVML for GPUs.

A counter counts for its whole package or GPU, whoever uses it: cells that run side by side count the same joules.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = "energy.json"
POWERCAP: Final = Path("/sys/class/powercap")
NVML: Final = "libnvidia-ml.so.1"
SECONDS_BETWEEN_READINGS: Final = 20.0
"""RAPL counters wrap: one of 262 kJ after 11 minutes at 400 W."""


@dataclass(slots=True)
class Counter:
    """A counter in joules that starts anew after `wraps_at` joules (0: never), and what was counted so far."""

    source: str
    """cpu or gpu."""
    read: Callable[[], float]
    wraps_at: float = 0.0
    joules: float = 0.0
    last: float = 0.0
    fault: str = ""
    """Why it could not be read any more: that must not end a fit."""

    def begin(self) -> None:
        """Count from now on.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        self.last, self.joules = self.read(), 0.0

    def add(self) -> None:
        """Add what was used since the last reading; between two readings it may wrap once."""
        try:
            now = self.read()
        except (OSError, ValueError) as error:
            self.fault = str(error)
            return
        self.joules += now - self.last + (self.wraps_at if now < self.last else 0.0)
        self.last = now


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules by source, and for each source that could have been counted and was not, why."""

    joules: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float | None:
        """All joules that were counted; None where nothing was."""
        return sum(self.joules.values()) if self.joules else None

    def write(self, folder: Path) -> None:
        """Write `energy.json` into a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)) + "\n")


def read_energy(path: Path) -> Energy:
    """Read an `energy.json`."""
    return Energy(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True)
class Meter:
    """Counters of a machine, and why others of it are missing; `energy` may be asked for after `counting`."""

    counters: tuple[Counter, ...]
    missing: Mapping[str, str]

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count while the body runs; a thread reads now and then, for counters wrap."""
        over = threading.Event()
        thread = threading.Thread(target=self._keep_adding, args=(over,), daemon=True)
        if self.counters:
            for counter in self.counters:
                counter.add()
                counter.joules = 0.0
            thread.start()
        try:
            yield
        finally:
            over.set()
            if self.counters:
                thread.join()
                self._add()

    @property
    def energy(self) -> Energy:
        """What was counted."""
        faults = {counter.source: counter.fault for counter in self.counters if counter.fault}
        joules: dict[str, float] = {}
        for counter in self.counters:
            if counter.source not in faults:
                joules[counter.source] = joules.get(counter.source, 0.0) + counter.joules
        return Energy(joules, {**self.missing, **faults})

    def _keep_adding(self, over: threading.Event) -> None:
        while not over.wait(SECONDS_BETWEEN_READINGS):
            self._add()

    def _add(self) -> None:
        for counter in self.counters:
            counter.add()


def meter_for(gpu: str | None, powercap: Path = POWERCAP, nvml: str = NVML) -> Meter:
    """Return a meter of the processor and, where one is used, of the GPU of that UUID."""
    found: list[Counter] = []
    missing: dict[str, str] = {}
    finders: dict[str, Callable[[], Sequence[Counter]]] = {"cpu": lambda: _packages(powercap)}
    if gpu is not None:
        finders["gpu"] = lambda: [gpu_counter(gpu, ctypes.CDLL(nvml))]
    for source, find in finders.items():
        try:
            counters = find()
            for counter in counters:
                counter.begin()
            found += counters
        except (OSError, ValueError, AttributeError) as error:  # no file, no right, no number; no library or function
            missing[source] = str(error)
    return Meter(tuple(found), missing)


def _packages(powercap: Path) -> list[Counter]:
    """Return a counter for each processor package (Linux powercap; Intel's and AMD's are alike).

    Raises:
        OSError: there is none, or it may not be read: since 2020 kernels let only root.
    """
    zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if _name_of(zone).startswith("package")]
    if not zones:
        raise OSError(f"this machine shows no RAPL counters in {powercap}")
    return [_package(zone) for zone in zones]


def _package(zone: Path) -> Counter:
    place = zone / "energy_uj"
    wraps_at = float((zone / "max_energy_range_uj").read_text()) / 1e6
    return Counter("cpu", lambda: float(place.read_text()) / 1e6, wraps_at)


def _name_of(zone: Path) -> str:
    name = zone / "name"
    return name.read_text().strip() if name.exists() else ""


def gpu_counter(uuid: str, nvml: Any) -> Counter:
    """Return the counter of the GPU of a UUID: millijoules since its driver was loaded, on Volta and newer.

    `nvml` is NVML's library, as ctypes loads it.

    Raises:
        OSError: NVML knows no such GPU, or the GPU does not count.
    """
    handle = ctypes.c_void_p()
    name = f"GPU-{uuid}".encode()
    _succeed(nvml.nvmlInit_v2(), "nvmlInit")
    _succeed(nvml.nvmlDeviceGetHandleByUUID(ctypes.c_char_p(name), ctypes.byref(handle)), "nvmlDeviceGetHandleByUUID")

    def read() -> float:
        millijoules = ctypes.c_ulonglong()
        status = nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        _succeed(status, "nvmlDeviceGetTotalEnergyConsumption")
        return millijoules.value / 1000

    return Counter("gpu", read)


def _succeed(status: int, call: str) -> None:
    if status:
        raise OSError(f"{call} of NVML returned {status}")
