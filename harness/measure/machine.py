"""What the machine itself counts, without torch, whose import takes seconds: its GPUs, their free memory, energy.

NVML numbers all GPUs of a machine, CUDA, and so torch, those that a process may use: which GPU is meant is told
by its UUID. Energy counters (RAPL for processors, NVML for GPUs) count for their whole package or GPU, whoever
uses it: cells that run side by side count the same joules.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pynvml

FILE: Final = "energy.json"
POWERCAP: Final = Path("/sys/class/powercap")
SECONDS_BETWEEN_READINGS: Final = 20.0
"""RAPL counters wrap: one of 262 kJ after 11 minutes at 400 W."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device of this process: its model, and the UUID by which NVML knows it too."""

    name: str
    uuid: str


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the CUDA devices that this process may use, in torch's order; empty without any."""
    try:
        return gpus_of(ctypes.CDLL("libcuda.so.1"))
    except (OSError, AttributeError):  # no library, or one that lacks a function
        return ()


def gpus_of(cuda: Any) -> tuple[Gpu, ...]:
    """Return the devices that the driver's library shows, as ctypes loads it; empty where it does not start."""
    count = ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return ()
    return tuple(_gpu(cuda, index) for index in range(count.value))


def _gpu(cuda: Any, index: int) -> Gpu:
    device, name, uuid = ctypes.c_int(), ctypes.create_string_buffer(256), (ctypes.c_ubyte * 16)()
    calls = (
        cuda.cuDeviceGet(ctypes.byref(device), index),
        cuda.cuDeviceGetName(name, len(name), device),
        cuda.cuDeviceGetUuid_v2(ctypes.byref(uuid), device),
    )
    return Gpu("unknown GPU", "") if any(calls) else Gpu(name.value.decode(), str(UUID(bytes=bytes(uuid))))


def free_bytes(device: str) -> int | None:
    """Return the free memory of `cuda:N`, all processes counted; None for other devices, and where NVML is silent."""
    number = device.removeprefix("cuda:")
    if number == device or int(number) >= len(gpus()):
        return None
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(_handle(gpus()[int(number)].uuid)).free)
    except pynvml.NVMLError:
        return None


def _handle(uuid: str) -> Any:
    """Return NVML's handle of the GPU, or of the part of one (MIG), that has this UUID; raises NVMLError."""
    pynvml.nvmlInit()
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError_NotFound:
        return pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")


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
            OSError, ValueError, NVMLError: it cannot be read.
        """
        self.last, self.joules = self.read(), 0.0

    def add(self) -> None:
        """Add what was used since the last reading; between two readings it may wrap once."""
        try:
            now = self.read()
        except (OSError, ValueError, pynvml.NVMLError) as error:
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


def meter_for(gpu: str | None, powercap: Path = POWERCAP) -> Meter:
    """Return a meter of the processor and, where one is used, of the GPU of that UUID."""
    found: list[Counter] = []
    missing: dict[str, str] = {}
    finders: dict[str, Callable[[], Sequence[Counter]]] = {"cpu": lambda: _packages(powercap)}
    if gpu is not None:
        finders["gpu"] = lambda: [gpu_counter(gpu)]
    for source, find in finders.items():
        try:
            counters = find()
            for counter in counters:
                counter.begin()
            found += counters
        except (OSError, ValueError, pynvml.NVMLError) as error:  # no file, no right, no number; no library, no GPU
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


def gpu_counter(uuid: str) -> Counter:
    """Return the counter of the GPU of a UUID: joules since its driver was loaded, on Volta and newer.

    Raises:
        NVMLError: NVML is not there, or knows no such GPU.
    """
    handle = _handle(uuid)
    return Counter("gpu", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000)
