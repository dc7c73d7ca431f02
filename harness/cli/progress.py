"""A run as it goes, on stderr: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from textwrap import shorten

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.cli.board import Board, Running, seconds_of
from harness.cli.console import tell
from harness.contracts import Outcome, PlannedCell, Watcher
from harness.contracts.metrics import IMAGES_PER_SECOND, TEST_ACCURACY, TRAIN_LOSS, VAL_ACCURACY
from harness.words import clock, duration, rough, scaled

_WIDE = 100
"""From this many columns on the bars are long."""
MOST_WORDS = 400
"""Characters of an error that are shown as the cell fails."""
_STYLES = {"finished": "green", "failed": "red", "pruned": "dim", "interrupted": "yellow", "skipped": "dim"}
_MARKS = {"finished": "✓", "failed": "✗", "pruned": "✂", "interrupted": "■", "skipped": "·"}
_WORDS = {
    "finished": "done",
    "failed": "FAILED",
    "pruned": "pruned",
    "interrupted": "interrupted",
    "skipped": "skipped",
}


@contextmanager
def watching(board: Board, console: Console, verbosity: int) -> Iterator[Watcher]:
    """Show a run on `console` for as long as the context lasts.

    `verbosity` -1 shows failures alone, 1 adds a line for each epoch.
    """
    if not console.is_terminal or console.is_dumb_terminal or verbosity < 0:
        yield PlainWatcher(board, console, verbosity)
        return
    watcher = LiveWatcher(board, console, verbosity)
    with Live(get_renderable=watcher.picture, console=console, refresh_per_second=4, transient=True):
        yield watcher


class PlainWatcher:
    """One line for each start and end of a cell."""

    def __init__(self, board: Board, console: Console, verbosity: int = 0) -> None:
        self._board = board
        self._console = console
        self._verbosity = verbosity

    def started(self, planned: PlannedCell, device: str) -> None:
        """Say that a cell begins."""
        self._board.started(planned, device)
        self._say(0, f"{self._place()} start {planned.name} ({device})")

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Say how an epoch went, where asked for."""
        self._board.epoch(planned, epoch, metrics)
        self._say(1, f"{self._place()} epoch {planned.name}  {' '.join(_epoch_words(planned, epoch, metrics))}")

    def ended(self, outcome: Outcome) -> None:
        """Say how a cell ended and how long the others will take; those done before are passed over."""
        if not self._board.follows(outcome.planned):
            return
        self._board.ended(outcome)
        left = self._board.seconds_left()
        waits = f"  (about {rough(left)} left)" if left else ""
        line = f"{self._place()} {_WORDS[outcome.state]} {outcome.planned.name}  {_ending(outcome)}{waits}"
        self._say(-1 if outcome.state == "failed" else 0, line)

    def _place(self) -> str:
        ended = self._board.count("finished", "failed", "pruned", "skipped", "interrupted")
        width = len(str(self._board.total))
        return f"[{ended:{width}}/{self._board.total}]"

    def _say(self, level: int, line: str) -> None:
        if level <= self._verbosity:
            tell(self._console, line)


class LiveWatcher:
    """A line for each running cell and one for the whole; ended cells scroll away above."""

    def __init__(self, board: Board, console: Console, verbosity: int = 0) -> None:
        self._board = board
        self._console = console
        self._verbosity = verbosity

    def started(self, planned: PlannedCell, device: str) -> None:
        """Give the cell its line."""
        self._board.started(planned, device)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Move the cell's bar."""
        self._board.epoch(planned, epoch, metrics)
        if self._verbosity > 0:
            words = "  ".join(_epoch_words(planned, epoch, metrics))
            self._console.print(Text(f"  {planned.name}  {words}", style="dim"), overflow="ellipsis", no_wrap=True)

    def ended(self, outcome: Outcome) -> None:
        """Leave the cell's result above the moving part; those done before are passed over."""
        if not self._board.follows(outcome.planned):
            return
        self._board.ended(outcome)
        mark = Text(f"{_MARKS[outcome.state]} ", style=_STYLES[outcome.state])
        ending = _ending(outcome)
        if outcome.state == "failed":
            self._console.print(mark.append(outcome.planned.name, style="none"), overflow="fold")
            self._console.print(Padding.indent(Text(ending, style="dim"), 2))
            return
        room = min(self._console.width, _WIDE) - len(ending) - 4
        name = cut_name(outcome.planned, room).ljust(room)
        self._console.print(mark.append(name, style="none").append(f"  {ending}", style="dim"))

    def picture(self) -> Group:
        """Return the moving part as it stands now."""
        running = self._board.running
        wide = self._console.width >= _WIDE
        widths = (24 if wide else 8, 7, 10, 10, 7)
        longest = max((len(each.planned.name) for each in running), default=0)
        room = min(longest, self._console.width - sum(widths) - 2 * len(widths) - 2)
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, width=room + 2)
        for width in widths:
            grid.add_column(no_wrap=True, justify="right", width=width)
        for each in running:
            grid.add_row(f"  {cut_name(each.planned, room)}", *self._row(each, widths[0]))
        return Group(grid, self._whole(30 if wide else 16))

    def _row(self, running: Running, width: int) -> tuple[Text | ProgressBar, ...]:
        recipe = running.planned.cell.recipe
        if recipe is None or not running.epoch:
            elapsed = Text(clock(self._board.elapsed(running)), style="dim")
            return _bar(running.share, width), Text("fitting", style="dim"), elapsed, Text(), Text()
        metrics = running.metrics
        return (
            _bar(running.share, width),
            Text(f"{running.epoch}/{recipe.epochs}"),
            _figure("val ", metrics.get(VAL_ACCURACY), ".4f"),
            _figure("loss ", metrics.get(TRAIN_LOSS), ".3f"),
            Text(f"{scaled(metrics.get('images_per_second'))}/s", style="dim"),
        )

    def _whole(self, width: int) -> Table:
        board = self._board
        ended = board.count("finished", "pruned", "skipped")
        failed = board.count("failed")
        words = Text(f"{ended}/{board.total} done")
        if failed:
            words.append(f", {failed} failed", style="red")
        words.append(f", {len(board.running)} running", style="dim")
        left = board.seconds_left()
        words.append(f"  {clock(board.seconds)}", style="dim")
        words.append("" if left is None else f", about {rough(left)} left", style="dim")
        grid = Table.grid(padding=(0, 2, 0, 0))
        done = ended + failed + sum(running.share for running in board.running)
        grid.add_row(_bar(done / max(1, board.total), width), words)
        return grid


def cut_name(planned: PlannedCell, width: int) -> str:
    """Return a cell's name in at most `width` characters; what is cut is before the seed."""
    name, seed = planned.name, f" s{planned.cell.seed}"
    if len(name) <= width or not name.endswith(seed):
        return name[:width]
    return f"{name[: width - len(seed) - 1]}…{seed}"


def _bar(share: float, width: int) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=width, complete_style="cyan", finished_style="cyan")


def _figure(name: str, value: float | None, form: str) -> Text:
    return Text() if value is None else Text(name, style="dim").append(f"{value:{form}}", style="none")


def _epoch_words(planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> list[str]:
    epochs = planned.cell.recipe.epochs if planned.cell.recipe else epoch
    words = [f"{epoch}/{epochs}"]
    for name, word, form in ((VAL_ACCURACY, "val", ".4f"), (TRAIN_LOSS, "loss", ".3f")):
        if name in metrics:
            words.append(f"{word} {metrics[name]:{form}}")
    speed = metrics.get(IMAGES_PER_SECOND)
    return words if speed is None else [*words, f"{scaled(speed)} images/s"]


def _ending(outcome: Outcome) -> str:
    """Return what is to be said of an ended cell: its figures, or what went wrong."""
    if outcome.state != "finished" and not outcome.metrics:
        return shorten(outcome.message, MOST_WORDS, placeholder=" ... (all of it: harness status)")
    figures = [
        f"{split} {outcome.metrics[name]:.4f}"
        for split, name in (("val", VAL_ACCURACY), ("test", TEST_ACCURACY))
        if name in outcome.metrics
    ]
    return "  ".join([*figures, duration(seconds_of(outcome))] if outcome.state == "finished" else figures)
