"""Ctrl-C, SIGTERM and SIGUSR1: heard when nothing is half done, and at once by whoever waits for something slow.

Slurm and Kubernetes announce with the latter two that a process is about to be killed (preemption).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, Generic, Self, TypeVar

T = TypeVar("T")
INTERRUPTED: Final = 130
"""The exit code of a process that was interrupted."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
AGAIN_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.05
"""How often whoever waits looks whether an interrupt has come."""
LEFT_BEHIND: Final = "harness: waits for a store"
"""The name of threads that may still wait for an answer when nobody wants it any more."""
_entered: list[Interrupts] = []
_ours: list[int] = []
"""The process that does nothing but a command."""


class Interrupts:
    """As a context: all three signals raise KeyboardInterrupt, but inside `shield` only at its end.

    After the first one all others are ignored, so that cleaning up is not cut short; a second Ctrl-C does not wait for
    checkpoints. Outside the main thread it does nothing, because Python delivers signals to the main thread alone.

    Python cannot let an exception out of a weak reference's callback or of `__del__`, and the signal may come there;
    such a one is sent again.
    """

    def __init__(self) -> None:
        self._shields = 0
        self.steps = 0
        """How many blocks `between_steps` are entered."""
        self.pending = False
        """Whether one has come within a shield, and waits for its end."""
        self.heard = False
        """Whether one has come."""
        self.urgent = False
        """Whether Ctrl-C has come after that."""
        self._former: dict[int, Any] = {}
        self._former_hook = sys.unraisablehook

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._hear) for number in SIGNALS}
            self._former_hook, sys.unraisablehook = sys.unraisablehook, self._lost
        _entered.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _entered.remove(self)
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
        if not self._shields:
            self.raise_pending()

    def raise_pending(self) -> None:
        """Raise KeyboardInterrupt if an interrupt has come within a shield, now instead of at its end."""
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.heard:
            self.urgent = self.urgent or number == signal.SIGINT
            if self.urgent and self._shields == self.steps:
                self.raise_pending()
            return
        self.heard = True
        if self._shields:
            self.pending = True
            return
        raise KeyboardInterrupt

    def _lost(self, lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            self._former_hook(lost)
            return
        self.heard = False
        threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()


def leave_when_interrupted() -> None:
    """Have an interrupt end this process at once with the exit code 130, until `raise_when_interrupted` is called."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    _ours.append(os.getpid())


def leave_if_kept(code: int) -> None:
    """End this process, which was begun by `leave_when_interrupted`, if a call that was left behind still goes on.

    Python would wait for it as it ends: half a minute for a server that does not answer.
    """
    if os.getpid() in _ours and any(thread.name == LEFT_BEHIND for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def raise_when_interrupted() -> None:
    """Have an interrupt raise KeyboardInterrupt, as Ctrl-C usually does, if it would end this process."""
    for number in SIGNALS:
        if signal.getsignal(number) is _leave:
            signal.signal(number, signal.default_int_handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def is_pending() -> bool:
    """Whether an interrupt waits for the end of a shield."""
    return any(each.pending for each in _entered)


def is_heard() -> bool:
    """Whether an interrupt has come, so that what goes on is being brought to its end."""
    return any(each.heard for each in _entered)


def is_urgent() -> bool:
    """Whether Ctrl-C has come again: what goes on is not waited for."""
    return any(each.urgent for each in _entered)


@contextmanager
def between_steps() -> Iterator[None]:
    """Put an interrupt off until `raise_pending` is called between two steps, or until the block is over.

    Whoever takes steps saves what it has before, if one `is_pending`.

    Raises:
        KeyboardInterrupt: at the end of the block, if one came meanwhile; at once where Ctrl-C comes twice.
    """
    if not _entered:
        yield
        return
    innermost = _entered[-1]
    innermost.steps += 1
    try:
        with innermost.shield():
            yield
    finally:
        innermost.steps -= 1


def is_between_steps() -> bool:
    """Whether an interrupt would be put off until a step is over."""
    return any(each.steps for each in _entered)


def pause(seconds: float) -> None:
    """Wait.

    Raises:
        KeyboardInterrupt: an interrupt came, even within a shield.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        raise_pending()
        time.sleep(LOOK_SECONDS)


def interruptible(work: Callable[[], T], *, longest: float | None, slow: Callable[[], object]) -> T:
    """Return what `work` returns, done in a thread of its own, so that an interrupt is heard meanwhile.

    A call that waits for a server or a locked database would be deaf for minutes. Who gives up leaves it behind: the
    thread ends with the process. Outside of the main thread, where no signal comes, it is simply called.

    Args:
        work: What may take long.
        longest: Seconds after which it is given up; None for no limit.
        slow: Called once, after ten seconds without an end.

    Raises:
        KeyboardInterrupt: an interrupt came, even within a shield.
        TimeoutError: `longest` is over.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    call, begun, is_told = _Call(work), time.monotonic(), False
    while not call.ended.wait(LOOK_SECONDS):
        raise_pending()
        seconds = time.monotonic() - begun
        if longest is not None and seconds > longest:
            raise TimeoutError(f"no answer in {longest:g} s")
        if seconds > SLOW_SECONDS and not is_told:
            is_told = True
            slow()
    return call.result()


SLOW_SECONDS: Final = 10


class _Call(Generic[T]):
    """A call in a thread of its own."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True, name=LEFT_BEHIND).start()

    def _run(self) -> None:
        try:
            self._answer.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._answer[0]


def raise_pending() -> None:
    """Raise KeyboardInterrupt if an interrupt was put off, now instead of later."""
    for each in _entered:
        each.raise_pending()
