"""Which process a trial or a turn belongs to, and whether that process is gone."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

import psutil

from harness.contracts import Frozen

BEAT_SECONDS: Final = 60
"""How often a process says that it lives, where several machines share a study."""
GRACE_SECONDS: Final = 240
"""A process of another machine that has been silent for so long is taken for dead."""
PROCESS: Final = uuid4().hex[:12]
"""This process among all of all machines: process numbers come again, in containers at once."""


class Owner(Frozen):
    """A process, and when it said last that it lives."""

    host: str
    pid: int
    time: str
    """UTC in ISO 8601."""
    process: str = ""

    @property
    def is_me(self) -> bool:
        """Whether it is this process."""
        return self.process == PROCESS


def me() -> Owner:
    """Return this process, alive now."""
    return Owner(host=platform.node(), pid=os.getpid(), time=now(), process=PROCESS)


def now() -> str:
    """Return the time in UTC and ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def is_gone(owner: Owner, is_shared: bool) -> bool:
    """Whether a process has died, as far as it can be known from here.

    Args:
        owner: who is asked about.
        is_shared: whether the storage serves several machines. One that does not is a file: what another host name
            has left there was left by a container that had this home before, or before the home was moved.
    """
    if owner.is_me:
        return False
    if is_shared and owner.host != platform.node():
        return _silent_seconds(owner) > GRACE_SECONDS
    try:
        process = psutil.Process(owner.pid)
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
        began = datetime.fromtimestamp(process.create_time(), UTC)
    except psutil.NoSuchProcess:
        return True
    return is_zombie or began > datetime.fromisoformat(owner.time)  # the number has been given away since


def _silent_seconds(owner: Owner) -> float:
    """Return how long ago it said that it lives, by clocks that are taken to agree within seconds."""
    return (datetime.now(UTC) - datetime.fromisoformat(owner.time)).total_seconds()
