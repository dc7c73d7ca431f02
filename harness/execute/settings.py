"""How a plan is run, as opposed to what is run: none of it changes a result."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from harness.errors import InputError
from harness.track.accelerators import gpu_names
from harness.track.environment import usable_cores

MOST_ON_A_GPU: Final = 8


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`home` is the store's; `cache` is home/cache unless named. `retry` counts further tries after the first."""

    home: Path
    device: str = "auto"
    """auto, cpu, cuda (all GPUs) or cuda:N."""
    workers: int = 1
    packed: bool = False
    """Whether measuring finds how many of the workers are busy (GPUs only, see `packing`); else all are."""
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


def choose_devices(name: str) -> tuple[str, ...]:
    """Return the devices that `auto`, `cpu`, `cuda` or `cuda:N` means here, without importing torch.

    `auto` and `cuda` mean all GPUs that this process may use.

    Raises:
        InputError: there is no such device.
    """
    gpus = () if "+cpu" in version("torch") else gpu_names()
    every = tuple(f"cuda:{index}" for index in range(len(gpus)))
    if name in {"auto", "cuda"} and every:
        return every
    if name in {"auto", "cpu"}:
        return ("cpu",)
    if name not in every:
        valid = ("auto", "cpu", *(("cuda", *every) if every else ()))
        raise InputError(f"--device {name}: there is no such device here; valid: {', '.join(valid)}")
    return (name,)


def choose_device(name: str) -> str:
    """Return the first of `choose_devices`, for what needs but one.

    Raises:
        InputError: there is no such device.
    """
    return choose_devices(name)[0]


def most_on_a_gpu(gpus: int) -> int:
    """Return how many cells packing ever runs side by side on each of so many GPUs: each needs a core to be fed by."""
    return max(1, min(MOST_ON_A_GPU, usable_cores() // gpus))
