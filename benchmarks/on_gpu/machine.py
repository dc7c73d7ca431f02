"""What is measured on: the machine, its software, and the fastest that it multiplies matrices."""

from __future__ import annotations

import gc
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import torch

from benchmarks.on_gpu.rows import Call

NO_GPU: Final = "no GPU"
REPEATS: Final = 10


def describe(device: torch.device, words: Sequence[str], images: str, machine: str | None = None) -> Call:
    """Return a call with these words.

    Args:
        device: What is measured.
        words: The arguments of the command; of whole paths the last name is kept.
        images: Which images are trained on.
        machine: What to call the machine; by default its processor and its cores.
    """
    on_gpu = device.type == "cuda"
    named = [Path(word).name if Path(word).is_absolute() else word for word in words]
    cuda = f", CUDA {torch.version.cuda}" if torch.version.cuda else ""
    return Call(
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        command=shlex.join(["python", "benchmarks/gpu.py", *named]),
        machine=machine or f"{_processor()}, {_cores()} cores, {torch.get_num_threads()} threads",
        device=str(device),
        gpu=torch.cuda.get_device_name(device) if on_gpu else NO_GPU,
        driver=_driver() if on_gpu else "none",
        torch=f"{torch.__version__}{cuda}",
        python=platform.python_version(),
        images=images,
    )


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Return how long the work takes, until the device is done."""
    wait_for(device)
    begun = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - begun


def matmul_peak(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Return operations a second of a product of two square matrices of random numbers, the median of ten."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    for _ in range(3):
        left @ right
    seconds = statistics.median(seconds_of(lambda: left @ right, device) for _ in range(REPEATS))
    return 2 * side**3 / seconds


def reset_peak(device: torch.device) -> int:
    """Return the bytes in use by tensors on a GPU, and measure the peak anew; 0 on a CPU."""
    if device.type != "cuda":
        return 0
    gc.collect()
    wait_for(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def peak_since(device: torch.device, before: int) -> int:
    """Return the most bytes in use beyond those before; 0 on a CPU."""
    return torch.cuda.max_memory_allocated(device) - before if device.type == "cuda" else 0


def is_alive(device: torch.device) -> bool:
    """Whether the device still computes; after some faults it does not for the rest of the process."""
    try:
        return float(torch.ones(2, device=device).sum()) == 2
    except RuntimeError:
        return False


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(said.splitlines()), "unknown").strip()
