"""Who runs a cell right now, a file lock a cell."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from harness.track.runs import Record


def folder_of(home: Path, key: str) -> Path:
    """Return the cell's own folder: checkpoint, fitted model, artifacts before they are logged."""
    return home / "checkpoints" / key


def take(home: Path, key: str) -> FileLock | None:
    """Return the cell's lock, held, or None if another process holds it.

    The lock is beside the cell's folder, not in it: the folder is deleted while the lock is held.
    """
    path = folder_of(home, key).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        return None
    return lock


def is_held(home: Path, key: str) -> bool:
    """Whether some process runs the cell in this home."""
    if not folder_of(home, key).with_suffix(".lock").exists():
        return False
    lock = take(home, key)
    if lock is not None:
        lock.release()
    return lock is None


def is_alive(record: Record) -> bool:
    """Whether the process that a RUNNING run names may still be there; of other machines nothing is known."""
    if record.tags.get("harness.host") != platform.node():
        return True
    pid = int(record.tags.get("harness.pid", "0"))
    try:
        return pid != os.getpid() and psutil.Process(pid).create_time() <= record.start
    except (psutil.Error, ValueError):
        return False
