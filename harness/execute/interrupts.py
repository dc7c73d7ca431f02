"""Ctrl-C and SIGTERM, heard at a moment when nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupts:
    """As a context: both signals raise KeyboardInterrupt, but inside `shield` only at its end.

    After the first one all others are ignored, so that cleaning up is not cut short. Outside the main thread it
    does nothing, because Python delivers signals to the main thread alone.
    """

    def __init__(self) -> None:
        self._shields = 0
        self._pending = False
        self._heard = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Put an interrupt off until the block is over."""
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
