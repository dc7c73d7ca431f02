"""What goes on outside of cells, on stderr: a clock in a terminal, plain lines elsewhere. Imports nothing slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from harness.cli.console import tell
from harness.phases import Advance, PhaseDisplay

EVERY_SECONDS: Final = 10
"""How often a plain line says how far a phase is."""


def is_live(console: Console) -> bool:
    """Whether a console can have a moving part."""
    return console.is_terminal and not console.is_dumb_terminal


def live(picture: Callable[[], RenderableType], console: Console) -> Live:
    """Return a moving part that shows `picture`, four times a second; one that fails leaves the last one there."""
    last: list[RenderableType] = [Text()]

    def guarded() -> RenderableType:
        with suppress(Exception):  # the thread that draws would end, and the display stand still
            last[0] = picture()
        return last[0]

    return Live(
        get_renderable=guarded,
        console=console,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,  # what is asked for goes where it is wanted, be it a file
    )


def phases_on(console: Console) -> PhaseDisplay:
    """Return what shows phases on a console."""
    return LivePhases(console) if is_live(console) else PlainPhases(console)


class LivePhases:
    """A line for each phase that goes on, gone when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = RLock()
        self._open = 0
        words = TextColumn("{task.description}", markup=False)
        self._progress = Progress(SpinnerColumn(), words, _Share(), TimeElapsedColumn())
        self._live = live(self._progress.get_renderable, console)

    @contextmanager
    def phase(self, text: str, total: int | None) -> Iterator[Advance]:
        """Show a phase until the context ends."""
        task = self._progress.add_task(text, total=total)
        self._enter(1)
        try:
            yield lambda count: self._progress.advance(task, count)
        finally:
            self._progress.remove_task(task)
            self._enter(-1)

    def remark(self, text: str) -> None:
        """Show a line above the moving part."""
        tell(self._console, text, style="yellow")

    def refresh(self) -> None:
        """Draw now."""
        self._live.refresh()

    def _enter(self, change: int) -> None:
        """Have the moving part there for as long as any phase goes on."""
        with self._lock:
            self._open += change
            if self._open == 0:
                self._live.stop()
            elif change > 0 and self._open == 1:
                self._live = live(self._progress.get_renderable, self._console)
                self._live.start()


class _Share(ProgressColumn):
    """How much of a phase is done, where it can be counted."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:.0f} %")


class PlainPhases:
    """A line as a phase begins and, where it can be counted and takes long, one every ten seconds."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now

    @contextmanager
    def phase(self, text: str, total: int | None) -> Iterator[Advance]:
        """Say that a phase begins, and how far it is."""
        tell(self._console, text)
        done, said = 0, self._now()

        def advance(count: int) -> None:
            nonlocal done, said
            done += count
            if total and done < total and self._now() - said >= EVERY_SECONDS:
                said = self._now()
                tell(self._console, f"{text}: {100 * done // total} %")

        yield advance

    def remark(self, text: str) -> None:
        """Say a line."""
        tell(self._console, text)
