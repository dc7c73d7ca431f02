"""A cell that trains nothing but does all else: epochs, checkpoint, fitted folder, opening, artifacts.

What it does is said by its model's options; it leaves a line in `cache/calls` for each fitted epoch.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

from harness.contracts import Listener, Result, SealedSet
from harness.contracts.running import Job
from harness.errors import DataError, OutOfMemoryError, TrainingError

TASK = {"classes": ["a", "b"], "shape": [2, 2, 1], "mean": [0.5], "std": [0.5]}

EPOCH_SECONDS = 3.0
"""What an epoch says it took; it takes none."""


def run_cell(job: Job, listen: Listener) -> Result:
    options = dict(job.cell.model.options)
    job.folder.mkdir(parents=True, exist_ok=True)
    job.cache.mkdir(parents=True, exist_ok=True)
    fitted = job.folder / "fitted"
    if not fitted.exists():
        _fit(job, listen, int(options.get("epochs", 2)), str(options.get("at_epoch_2", "")))
        fitted.mkdir()
    digest = str(options.get("digest", f"digest of {job.key}"))
    if options.get("threads_matter"):
        digest += f" with {job.threads} threads"
    if job.cell.test == "once":
        _open(job, listen, digest, str(options.get("test_file", "")))
    metrics = {"val/accuracy": 0.75, "val/macro_f1": 0.7}
    return Result(job.key, digest, metrics, "opened" if job.cell.test == "once" else "never", _artifacts(job))


def calls(cache: Path) -> list[str]:
    path = cache / "calls"
    return path.read_text().split() if path.exists() else []


def _fit(job: Job, listen: Listener, epochs: int, at_epoch_2: str) -> None:
    checkpoint = job.folder / "checkpoint.pt"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch in range(max(1, done - 1), done + 1):
        _tell(listen, epoch)
    for epoch in range(done + 1, epochs + 1):
        with (job.cache / "calls").open("a") as file:
            file.write(f"{job.key}:{epoch}\n")
        if epoch == 2 and at_epoch_2 == "log a bad name":
            listen.epoch(2, {"bad name!": 1.0})
        elif epoch == 2 and at_epoch_2:
            TROUBLES[at_epoch_2](job)
        _tell(listen, epoch)
        checkpoint.write_text(str(epoch))


def _tell(listen: Listener, epoch: int) -> None:
    metrics = {"train/loss": 1 / epoch, "val/accuracy": epoch / 10, "epoch_seconds": EPOCH_SECONDS}
    listen.epoch(epoch, metrics)
    metrics.clear()  # a fit may use its dictionary again


def _open(job: Job, listen: Listener, digest: str, test_file: str) -> None:
    if test_file and not Path(test_file).exists():
        raise DataError(f"{test_file}: no such file")
    listen.opening(digest, SealedSet())


def _artifacts(job: Job) -> Path:
    folder = job.folder / "artifacts"
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "task.json").write_text(json.dumps(TASK))
    (folder / "report.json").write_text("{}")
    return folder


def _raise(job: Job) -> None:
    raise RuntimeError("boom")


def _diverge(job: Job) -> None:
    raise TrainingError("loss is nan at epoch 2, step 7")


def _run_out_of_memory(job: Job) -> None:
    raise OutOfMemoryError("out of memory")


def _run_out_of_memory_below_4_parts(job: Job) -> None:
    if job.parts < 4:
        _run_out_of_memory(job)


def _run_out_of_memory_beside_another(job: Job) -> None:
    """Once another has begun, which `wait for the other` keeps from ending meanwhile."""
    _wait_for(lambda: any(not call.startswith(f"{job.key}:") for call in calls(job.cache)))
    _once(_run_out_of_memory)(job)


def _wait_for_the_other(job: Job) -> None:
    _wait_for(lambda: any(job.cache.glob("struck-*")))
    time.sleep(0.5)  # were the other tried again beside this one, it would be by then


def _wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)


def _break_the_gpu(job: Job) -> None:
    """Leave this process a torch whose GPU answers every call with the same error."""

    def fail(_: str) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    torch = ModuleType("torch")
    torch.__dict__["cuda"] = SimpleNamespace(is_initialized=lambda: True, synchronize=fail)
    sys.modules["torch"] = torch
    fail(job.device)


def _die(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave_slowly(job: Job) -> None:
    """End the worker, whose process then has not ended for a long time, as in a teardown of torch on a busy machine."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    sys.exit(3)


def _once(trouble: Callable[[Job], None]) -> Callable[[Job], None]:
    def strike(job: Job) -> None:
        mark = job.cache / f"struck-{job.key}"
        if not mark.exists():
            mark.touch()
            trouble(job)

    return strike


def _interrupt(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def _interrupt_driver(job: Job) -> None:
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)


def _hang(job: Job) -> None:
    time.sleep(600)


def _hang_with_a_child(job: Job) -> None:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    _told_pids(job, child.pid)
    _hang(job)


def _hang_alone(job: Job) -> None:
    _told_pids(job)
    _hang(job)


def _stop(job: Job) -> None:
    """Be stopped, as by a debugger or a file system that is away."""
    _told_pids(job)
    os.kill(os.getpid(), signal.SIGSTOP)


def _hold_the_interpreter(job: Job) -> None:
    """Call C code that comes back in ten minutes and lets no other thread run meanwhile."""
    _told_pids(job)
    ctypes.PyDLL(None).sleep(600)


def _told_pids(job: Job, *others: int) -> None:
    beside = job.cache / "pids.partial"
    beside.write_text(" ".join(map(str, (os.getpid(), *others))))
    beside.rename(job.cache / "pids")


TROUBLES: dict[str, Callable[[Job], None]] = {
    "raise": _raise,
    "diverge": _diverge,
    "run out of memory": _run_out_of_memory,
    "run out of memory once": _once(_run_out_of_memory),
    "run out of memory below 4 parts": _run_out_of_memory_below_4_parts,
    "run out of memory beside another": _run_out_of_memory_beside_another,
    "wait for the other": _wait_for_the_other,
    "break the gpu": _break_the_gpu,
    "die": _die,
    "die once": _once(_die),
    "leave slowly": _leave_slowly,
    "interrupt once": _once(_interrupt),
    "interrupt driver once": _once(_interrupt_driver),
    "hang": _hang,
    "hang once": _once(_hang),
    "hang alone": _hang_alone,
    "hang alone once": _once(_hang_alone),
    "hang with a child": _hang_with_a_child,
    "stop": _stop,
    "hold the interpreter": _hold_the_interpreter,
}
