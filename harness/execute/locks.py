"""Who runs a cell right now, a file lock a cell."""

from __future__ import annotations

import os
import platform
import tempfile
from hashlib import sha256
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from harness.track import Record, Store


def folder_of(home: Path, key: str) -> Path:
    """Return the cell's own folder: checkpoint, fitted model, artifacts before they are logged."""
    return home / "checkpoints" / key


def lock_of(store: Store, key: str) -> Path:
    """Return the file whose lock is held by the process of this machine that runs a cell.

    It is beside the cell's folder, not in it: the folder is deleted while the lock is held. On a server, which several
    homes of a machine may share, it is where all of them look.
    """
    if store.artifacts is not None:
        return folder_of(store.home, key).with_suffix(".lock")
    server = sha256(store.client.address.encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"harness-locks-{os.getuid()}" / server / f"{key}.lock"


def take(store: Store, key: str) -> FileLock | None:
    """Return the cell's lock, held, or None if another process of this machine holds it."""
    path = lock_of(store, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        return None
    return lock


def is_held(store: Store, key: str) -> bool:
    """Whether some process of this machine runs the cell."""
    if not lock_of(store, key).exists():
        return False
    lock = take(store, key)
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
