"""`harness doctor`: what of this machine would spoil a run, each with a line of its own."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

import psutil
from rich.text import Text

from harness.cli.console import print_json, results, table
from harness.cli.options import Doctor
from harness.errors import HarnessError, file_fault, without_secrets
from harness.measure.environment import processor_name, usable_cores
from harness.track import open_store
from harness.track.client import check_reachable
from harness.track.spool import FOLDER, waiting
from harness.words import amount, size

Verdict = Literal["ok", "warn", "fail"]

LOW_DISK_BYTES: Final = 5e9
NO_DISK_BYTES: Final = 5e8
LOW_MEMORY_BYTES: Final = 2e9
BUSY_SHARE: Final = 0.5
_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at and what was found."""

    name: str
    verdict: Verdict
    finding: str


def perform(asked: Doctor) -> int:
    """Print all checks; exit code 1 if one of them fails."""
    checks = list(examine(asked.home.absolute()))
    if asked.json:
        print_json([asdict(check) for check in checks])
    else:
        shown = table("", "check", "finding")
        for check in checks:
            shown.add_row(Text(check.verdict, style=_STYLES[check.verdict]), check.name, check.finding)
        results().print(shown)
    return int(any(check.verdict == "fail" for check in checks))


def examine(home: Path) -> Iterator[Check]:
    """Yield each check of this machine, for runs that are kept in `home`."""
    yield Check("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield from _torch()
    yield _processor()
    yield _memory()
    yield _disk(home)
    yield _writable("home", home)
    yield _writable("cache", home / "cache")
    yield _store(home)
    yield from _spool(home)


def _torch() -> Iterator[Check]:
    """Yield the checks of torch, its companions and its device; only what can be imported is looked at further."""
    torch = _imported("torch")
    if isinstance(torch, Check):
        yield torch
        return
    yield Check("torch", "ok", torch.__version__)
    yield _torchvision()
    yield _cuda(torch)


def _torchvision() -> Check:
    """Check that it is the one for this torch, by what was installed: importing it takes as long as torch."""
    try:
        version = importlib.metadata.version("torchvision")
    except importlib.metadata.PackageNotFoundError:
        return Check("torchvision", "fail", "is not installed")
    wanted = [each for each in importlib.metadata.requires("torchvision") or () if each.startswith("torch==")]
    exact = wanted[0].removeprefix("torch==").partition(";")[0].strip() if wanted else ""
    if exact and importlib.metadata.version("torch").partition("+")[0] != exact:
        return Check("torchvision", "fail", f"{version} was built for torch {exact}; install the pair")
    return Check("torchvision", "ok", version)


def _cuda(torch: ModuleType) -> Check:
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"this torch has CUDA {built}, but no driver or device answers" if built else "this torch has no CUDA"
        return Check("cuda", "warn", f"{why}: networks are trained on the CPU")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    free, total = torch.cuda.mem_get_info()
    return Check("cuda", "ok", f"{', '.join(names)}; {size(free)} of {size(total)} free on the first")


def _imported(name: str) -> ModuleType | Check:
    """Return a module, or what keeps it from being imported: a broken one must not end the examination."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        return Check(name, "fail", f"cannot be imported: {error}")


def _processor() -> Check:
    cores, load = usable_cores(), os.getloadavg()[0]
    finding = f"{processor_name()}, {cores} usable cores, load {load:.1f}"
    if load > BUSY_SHARE * cores:
        return Check("processor", "warn", f"{finding}: other programs are busy, timings will be too long")
    return Check("processor", "ok", finding)


def _memory() -> Check:
    memory = psutil.virtual_memory()
    verdict: Verdict = "warn" if memory.available < LOW_MEMORY_BYTES else "ok"
    return Check("memory", verdict, f"{size(memory.available)} of {size(memory.total)} available")


def _disk(home: Path) -> Check:
    free = shutil.disk_usage(_existing(home)).free
    verdict: Verdict = "fail" if free < NO_DISK_BYTES else "warn" if free < LOW_DISK_BYTES else "ok"
    return Check("disk", verdict, f"{size(free)} free for {home}")


def _writable(name: str, folder: Path) -> Check:
    """Check that a folder can be written to, or made; nothing is made."""
    there = _existing(folder)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Check(name, "ok", f"{folder}{'' if there == folder else ' (not there yet)'}")
    return Check(name, "fail", f"{there} cannot be written to")


def _store(home: Path) -> Check:
    """Check the tracking store; one that is not there yet is not created."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        if server.startswith(("http://", "https://")):
            check_reachable(server)
            return Check("store", "ok", f"the server at {without_secrets(server)} answers")
        if not server and not (home / "mlflow.db").exists():
            return Check("store", "ok", f"{home / 'mlflow.db'} (not there yet)")
        return Check("store", "ok", open_store(home).client.address)
    except HarnessError as error:
        return Check("store", "fail", str(error))
    except OSError as error:
        return Check("store", "fail", file_fault(error) or str(error))


def _spool(home: Path) -> Iterator[Check]:
    """Say what was recorded and could not be delivered, if there is anything."""
    count = waiting(home)
    if count:
        finding = f"{amount(count, 'record')} wait in {home / FOLDER}: the next `harness run` delivers them"
        yield Check("spool", "warn", finding)


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())
