from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pynvml
import pytest

from harness.measure import machine
from harness.measure.machine import Counter, Energy, free_bytes, gpu_counter, meter_for, read_energy


def zone(powercap: Path, number: str, name: str, microjoules: int, largest: int = 262_143_328_850) -> Path:
    """Make a folder as Linux's powercap shows a RAPL zone."""
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    return folder


UUIDS = tuple(UUID(int=number) for number in (7, 8))


@dataclass
class Driver:
    """CUDA's library as far as it is called: it shows two GPUs."""

    status: int = 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.status

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int)).contents.value = len(UUIDS)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        ctypes.cast(device, ctypes.POINTER(ctypes.c_int)).contents.value = index
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        name.value = f"GPU of {length} letters, number {device.value}".encode()
        return 0

    def cuDeviceGetUuid_v2(self, found: Any, device: Any) -> int:  # noqa: N802
        ctypes.memmove(found, UUIDS[device.value].bytes, 16)
        return 0


@dataclass
class Nvml:
    """NVML as far as it is called: GPUs, or parts of them, by name; their free bytes and the millijoules used."""

    free: dict[str, int]
    millijoules: int = 0
    lost: bool = False

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for call in ("nvmlInit", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetMemoryInfo"):
            monkeypatch.setattr(pynvml, call, getattr(self, call))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: self.millijoules)
        monkeypatch.setattr(machine, "gpus", lambda: machine.gpus_of(Driver()))

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetHandleByUUID(self, name: str) -> str:  # noqa: N802
        if name not in self.free:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return name

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> SimpleNamespace:  # noqa: N802
        if self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return SimpleNamespace(free=self.free[handle])


def test_the_driver_names_its_gpus() -> None:
    first, second = machine.gpus_of(Driver())
    assert (first.name, first.uuid) == ("GPU of 256 letters, number 0", str(UUIDS[0]))
    assert second.uuid == str(UUIDS[1])
    assert machine.gpus_of(Driver(status=100)) == ()


@pytest.mark.parametrize("kind", ["GPU", "MIG"])
def test_the_gpu_that_cuda_means_is_found_in_nvml_by_its_uuid(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml({f"{kind}-{UUIDS[1]}": 40, f"GPU-{UUIDS[0]}": 10})
    nvml.stand_in(monkeypatch)
    assert free_bytes("cuda:1") == 40
    nvml.free[f"{kind}-{UUIDS[1]}"] = 30
    assert free_bytes("cuda:1") == 30
    nvml.lost = True
    assert free_bytes("cuda:1") is None


def test_where_no_gpu_is_known_its_memory_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_bytes("cpu") is None
    assert free_bytes("cuda:99") is None
    Nvml({}).stand_in(monkeypatch)
    assert free_bytes("cuda:0") is None


def test_packages_are_added_up_and_their_parts_are_not_counted_twice(tmp_path: Path) -> None:
    packages = [zone(tmp_path, "0", "package-0", 5_000_000), zone(tmp_path, "1", "package-1", 7_000_000)]
    core, whole = zone(tmp_path, "0:0", "core", 0), zone(tmp_path, "2", "psys", 0)
    meter = meter_for(None, tmp_path)
    with meter.counting():
        for folder, microjoules in zip((*packages, core, whole), (6_500_000, 9_000_000, 10**9, 10**9), strict=True):
            (folder / "energy_uj").write_text(str(microjoules))
    assert meter.energy.joules == {"cpu": pytest.approx(3.5)}
    assert meter.energy.missing == {}


def test_a_counter_that_starts_anew_goes_on_counting() -> None:
    readings = iter([90.0, 95.0, 4.0, 10.0])
    counter = Counter("cpu", lambda: next(readings), wraps_at=100.0)
    counter.begin()
    for _ in range(3):
        counter.add()
    assert counter.joules == pytest.approx(5 + 9 + 6)


def test_a_machine_without_counters_says_so_and_the_fit_goes_on(tmp_path: Path) -> None:
    meter = meter_for(None, tmp_path)
    with meter.counting():
        pass
    assert meter.energy.total is None
    assert meter.energy.missing["cpu"] == f"this machine shows no RAPL counters in {tmp_path}"


def test_a_counter_that_cannot_be_read_is_missing_with_its_reason(tmp_path: Path) -> None:
    folder = zone(tmp_path, "0", "package-0", 1)
    (folder / "energy_uj").unlink()
    (folder / "energy_uj").mkdir()  # unreadable even for root
    assert "energy_uj" in meter_for(None, tmp_path).energy.missing["cpu"]


def test_a_counter_that_fails_midway_is_left_out_and_the_fit_goes_on(tmp_path: Path) -> None:
    folder = zone(tmp_path, "0", "package-0", 5_000_000)
    meter = meter_for(None, tmp_path)
    with meter.counting():
        (folder / "energy_uj").unlink()
    assert meter.energy.joules == {}
    assert "energy_uj" in meter.energy.missing["cpu"]


def test_a_gpu_counts_millijoules(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml({"GPU-abc": 0}, millijoules=1500)
    nvml.stand_in(monkeypatch)
    counter = gpu_counter("abc")
    counter.begin()
    nvml.millijoules = 4000
    counter.add()
    assert counter.joules == pytest.approx(2.5)


def test_a_gpu_that_nvml_does_not_know_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Nvml({}).stand_in(monkeypatch)
    assert "Not Found" in meter_for("abc", tmp_path).energy.missing["gpu"]


def test_a_fit_that_fails_ends_the_counting(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 5_000_000)
    meter = meter_for(None, tmp_path)
    with pytest.raises(RuntimeError), meter.counting():
        raise RuntimeError
    assert meter.energy.total == 0


def test_energy_is_read_as_it_was_written(tmp_path: Path) -> None:
    energy = Energy({"cpu": 1.5, "gpu": 2.0}, {"x": "why"})
    energy.write(tmp_path)
    assert read_energy(tmp_path / "energy.json") == energy
    assert energy.total == 3.5
