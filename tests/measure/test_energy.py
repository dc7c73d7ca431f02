from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.measure.machine import Counter, Energy, gpu_counter, meter_for, read_energy


def zone(powercap: Path, number: str, name: str, microjoules: int, largest: int = 262_143_328_850) -> Path:
    """Make a folder as Linux's powercap shows a RAPL zone."""
    folder = powercap / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    return folder


@dataclass
class Gpu:
    """NVML's library as far as it is called: one GPU that has used some millijoules since its driver was loaded."""

    millijoules: int
    status: int = 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return self.status

    def nvmlDeviceGetHandleByUUID(self, uuid: Any, handle: Any) -> int:  # noqa: N802
        return 0 if uuid.value == b"GPU-abc" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> int:  # noqa: N802
        ctypes.cast(energy, ctypes.POINTER(ctypes.c_ulonglong)).contents.value = self.millijoules
        return 0


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


def test_a_gpu_counts_millijoules() -> None:
    library = Gpu(1500)
    counter = gpu_counter("abc", library)
    counter.begin()
    library.millijoules = 4000
    counter.add()
    assert counter.joules == pytest.approx(2.5)


def test_a_gpu_that_nvml_does_not_know_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nvmlDeviceGetHandleByUUID of NVML returned 6"):
        gpu_counter("xyz", Gpu(0))
    assert "gpu" in meter_for("abc", tmp_path, nvml="libno-such-library.so.1").energy.missing


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
