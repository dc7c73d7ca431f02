"""How a plan is run, as opposed to what is run: none of it changes a result."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from harness.errors import InputError
from harness.track.accelerators import gpu_names
from harness.track.environment import usable_cores


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`home` is the store's; `cache` is home/cache unless named. `retry` counts further tries after the first."""

    home: Path
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 1
    retry: int = 0
    fail_fast: bool = False
    smoke: bool = False
    rerun_stale: bool = False
    plugins: tuple[Path, ...] = ()
    cache: Path | None = None

    @property
    def cache_folder(self) -> Path:
        """Where decoded data sets are."""
        return self.cache or self.home / "cache"

    @property
    def threads(self) -> int:
        """CPU threads of each worker: two with one thread each beat one with two, and two with two are far worse."""
        return max(1, usable_cores() // self.workers)


def choose_device(name: str) -> str:
    """Return the device that `auto`, `cpu`, `cuda` or `cuda:N` means here, without importing torch.

    Raises:
        InputError: there is no such device.
    """
    gpus = () if "+cpu" in version("torch") else gpu_names()
    if name == "auto":
        return "cuda:0" if gpus else "cpu"
    valid = ("cpu", "cuda", *(f"cuda:{index}" for index in range(len(gpus)))) if gpus else ("cpu",)
    if name not in valid:
        raise InputError(f"--device {name}: there is no such device here; valid: auto, {', '.join(valid)}")
    return name
