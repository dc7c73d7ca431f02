"""What the machine was when a run was made: code, packages, processor, GPUs, load."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Final

import psutil

from harness.errors import InputError, without_secrets
from harness.measure.machine import gpus

GIT_SECONDS: Final = 5
LONGEST_DIFF: Final = 1_000_000


def git_state(folder: Path) -> str:
    """Return the commit of the folder's repository, `+dirty` after it if files differ; "none" without one."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return "none"
    return f"{commit}+dirty" if _git(folder, "status", "--porcelain") else commit


def uncommitted(folder: Path) -> str:
    """Return what differs from the commit: names of new files, then the changes as a diff, cut where very long."""
    new = _git(folder, "ls-files", "--others", "--exclude-standard", "--full-name", ":/")
    changes = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff")
    names = "".join(f"# new file, its contents are not kept: {name}\n" for name in new.splitlines())
    text = without_secrets(f"{names}{changes}\n") if names or changes else ""
    if len(text) <= LONGEST_DIFF:
        return text
    return f"{text[:LONGEST_DIFF]}\n# cut here: {len(text):,} characters in all\n"


def hardware(device: str) -> str:
    """Return the name of the processor or GPU that `device` ("cpu", "cuda", "cuda:1") stands for."""
    if not device.startswith("cuda"):
        return processor_name()
    index = int(device.partition(":")[2] or 0)
    return gpus()[index].name if index < len(gpus()) else "unknown GPU"


@dataclass(frozen=True, slots=True)
class Environment:
    """What a process runs in: facts by name, and what packages there are."""

    facts: Mapping[str, str]
    packages: tuple[str, ...]

    @property
    def text(self) -> str:
        """The text of environment.txt."""
        lines = [f"{name}: {value}" for name, value in self.facts.items()]
        return "\n".join([*lines, "", *self.packages, ""])

    def told_by(self, driver: Environment) -> Environment:
        """Return it with what the driver of the run alone knows: how many workers there are, and the command."""
        return replace(self, facts={**driver.facts, **self.facts, "command": driver.facts.get("command", "")})


def environment_of(folder: Path, device: str, **further: str) -> Environment:
    """Return what this process runs in; `further` facts come before the command."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    facts = {
        "git": git_state(folder),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "host": platform.node(),
        "processor": processor_name(),
        "cores": f"{psutil.cpu_count(logical=False)} physical, {psutil.cpu_count()} logical, {usable_cores()} usable",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "load": f"{load} (1, 5, 15 minutes)",
        "gpu": ", ".join(gpu.name for gpu in gpus()) or "none",
        "device": device,
        **further,
        "command": without_secrets(" ".join(sys.argv)),
    }
    packages = sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)
    return Environment(facts, tuple(packages))


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a job runs, told by the process that runs it."""

    host: str
    device: str
    """cpu or cuda:N, as that process counts its devices."""
    hardware: str
    environment: Environment


@cache
def whereabouts(device: str) -> Whereabouts:
    """Return where this process is and what it computes on.

    Args:
        device: auto, cpu, cuda or cuda:N; one that is not here is told as it is named.
    """
    found = choose_devices(device)[0] if device in {"auto", "cuda"} else device
    return Whereabouts(platform.node(), found, hardware(found), environment_of(Path.cwd(), found))


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_devices(name: str) -> tuple[str, ...]:
    """Return the devices that `auto`, `cpu`, `cuda` or `cuda:N` means here, without importing torch.

    `auto` and `cuda` mean all GPUs that this process may use.

    Raises:
        InputError: there is no such device.
    """
    found = () if "+cpu" in version("torch") else gpus()
    every = tuple(f"cuda:{index}" for index in range(len(found)))
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


def processor_name() -> str:
    """Return the processor's model name."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
