"""What a process does outside of cells and may take a while, told to whoever shows it.

Whatever decodes, searches or writes says so by `phase`, wherever it stands; the command line hears it by `shown_by`.
Where nobody listens, as in a worker process, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""Says that so many more are done."""


class PhaseDisplay(Protocol):
    """Shows phases; one may begin within another."""

    def phase(self, text: str, total: int | None) -> AbstractContextManager[Advance]:
        """Show a phase until the context ends; `total` is how many there are to do, None where it cannot be counted."""

    def remark(self, text: str) -> None:
        """Show a line that stays."""


_displays: list[PhaseDisplay] = []
_open: list[Advance] = []
"""Of the phases that go on, the innermost last."""


@contextmanager
def phase(text: str, total: int | None = None) -> Iterator[Advance]:
    """Say that something begins that may take a while.

    Args:
        text: What it is, as in `decoding 50,000 images of cifar10`.
        total: How many steps it has, None where they cannot be counted.

    Yields:
        A function to be called with the number of further steps that are done.
    """
    if not _displays:
        yield lambda _count: None
        return
    with _displays[-1].phase(text, total) as told:
        _open.append(told)
        try:
            yield told
        finally:
            _open.remove(told)


def advance(count: int = 1) -> None:
    """Say that so many more steps of the innermost phase are done, from functions that are not handed its counter."""
    if _open:
        _open[-1](count)


@contextmanager
def shown_by(display: PhaseDisplay) -> Iterator[None]:
    """Have all phases shown by `display` for as long as the context lasts."""
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)


def remark(text: str) -> None:
    """Say something that is to be known now, such as that a server is waited for. Any thread may call it."""
    if _displays:
        _displays[-1].remark(text)
