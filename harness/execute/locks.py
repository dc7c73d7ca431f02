"""Who runs a cell right now, a file lock a cell; and Ctrl-C and SIGTERM, heard when nothing is half done."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

import psutil
from filelock import FileLock, Timeout

from harness.track.runs import Record

AGAIN_SECONDS: Final = 0.05


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


class Interrupts:
    """As a context: both signals raise KeyboardInterrupt, but inside `shield` only at its end.

    After the first one all others are ignored, so that cleaning up is not cut short. Outside the main thread it
    does nothing, because Python delivers signals to the main thread alone.

    Python cannot let an exception out of a weak reference's callback or of `__del__`, and the signal may come there;
    such a one is sent again.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._pending = False
        self._heard = False
        self._former: dict[int, Any] = {}
        self._former_hook = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
            self._former_hook, sys.unraisablehook = sys.unraisablehook, self._lost
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        if self._former:
            sys.unraisablehook = self._former_hook

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Put an interrupt off until the block is over.

        Raises:
            KeyboardInterrupt: at the end of the block, if one came meanwhile.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending and not self._shields:
            self._pending = False
            raise KeyboardInterrupt

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._heard:
            return
        self._heard = True
        if self._shields:
            self._pending = True
            return
        raise KeyboardInterrupt

    def _lost(self, lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            self._former_hook(lost)
            return
        self._heard = False
        threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
