"""What goes on, on stderr: in a terminal a moving part at the bottom, elsewhere plain lines.

The driver's thread says what happens, the display's own thread draws. What both know lives in `RunProgress`, behind a
lock: the display reads snapshots of it, and nothing that goes wrong while drawing ends the display or the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from harness.cli.console import tell
from harness.cli.phases import is_live, live
from harness.cli.run_progress import Running, RunProgress, Snapshot, seconds_of
from harness.contracts import Outcome, PlannedCell, Watcher
from harness.contracts.metrics import (
    IMAGES_PER_SECOND,
    TEST_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
)
from harness.words import clock, duration, rough, scaled

MOST_WORDS: Final = 400
"""Characters of an error that are shown as the cell fails."""
_WIDE: Final = 100
"""From this many columns on the bars are long."""
_PARTS: Final = 1000
"""Of a bar."""
_WORDS: Final = {
    "finished": ("✓", "green", "done"),
    "failed": ("✗", "red", "FAILED"),
    "pruned": ("✂", "dim", "pruned"),
    "interrupted": ("■", "yellow", "interrupted"),
    "skipped": ("·", "dim", "skipped"),
}
"""How a cell ended -> its mark, its style and its word."""


@contextmanager
def watching(progress: RunProgress, console: Console, verbosity: int) -> Iterator[Watcher]:
    """Show a run on `console` for as long as the context lasts.

    `verbosity` -1 shows failures alone, 1 adds a line for each epoch.
    """
    if not is_live(console) or verbosity < 0:
        yield Unharmed(PlainWatcher(progress, console, verbosity))
        return
    watcher = LiveWatcher(progress, console, verbosity)
    with live(watcher.picture, console):
        yield Unharmed(watcher)


@dataclass(frozen=True, slots=True)
class Unharmed:
    """Passes on what happens; a display that fails, say because its terminal is gone, must not end the run."""

    watcher: Watcher

    def started(self, planned: PlannedCell, device: str) -> None:
        """Pass it on."""
        with suppress(Exception):
            self.watcher.started(planned, device)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Pass it on."""
        with suppress(Exception):
            self.watcher.epoch(planned, epoch, metrics)

    def ended(self, outcome: Outcome) -> None:
        """Pass it on."""
        with suppress(Exception):
            self.watcher.ended(outcome)


class PlainWatcher:
    """One line for each start and end of a cell."""

    def __init__(self, progress: RunProgress, console: Console, verbosity: int = 0) -> None:
        self._progress = progress
        self._console = console
        self._verbosity = verbosity

    def started(self, planned: PlannedCell, device: str) -> None:
        """Say that a cell begins."""
        self._progress.started(planned, device)
        self._say(0, f"start {planned.name} ({device})")

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Say how an epoch went, where asked for."""
        self._progress.epoch(planned, epoch, metrics)
        self._say(1, f"epoch {planned.name}  {' '.join(_epoch_words(planned, epoch, metrics))}")

    def ended(self, outcome: Outcome) -> None:
        """Say how a cell ended and how long the others will take; those done before are passed over."""
        if not self._progress.follows(outcome.planned):
            return
        self._progress.ended(outcome)
        left = self._progress.seconds_left()
        waits = f"  (about {rough(left)} left)" if left else ""
        line = f"{_WORDS[outcome.state][2]} {outcome.planned.name}  {_ending(outcome)}{waits}"
        self._say(-1 if outcome.state == "failed" else 0, line)

    def _say(self, level: int, line: str) -> None:
        if level > self._verbosity:
            return
        now = self._progress.snapshot()
        width = len(str(now.total))
        tell(self._console, f"[{sum(now.ended.values()):{width}}/{now.total}] {line}")


class LiveWatcher:
    """A line for each running cell and one for the whole; ended cells scroll away above."""

    def __init__(self, progress: RunProgress, console: Console, verbosity: int = 0) -> None:
        self._progress = progress
        self._console = console
        self._verbosity = verbosity

    def started(self, planned: PlannedCell, device: str) -> None:
        """Give the cell its line."""
        self._progress.started(planned, device)

    def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
        """Move the cell's bar."""
        self._progress.epoch(planned, epoch, metrics)
        if self._verbosity > 0:
            words = "  ".join(_epoch_words(planned, epoch, metrics))
            self._console.print(Text(f"  {planned.name}  {words}", style="dim"), overflow="ellipsis", no_wrap=True)

    def ended(self, outcome: Outcome) -> None:
        """Leave the cell's result above the moving part; those done before are passed over."""
        if not self._progress.follows(outcome.planned):
            return
        self._progress.ended(outcome)
        sign, style, _ = _WORDS[outcome.state]
        mark, ending = Text().append(f"{sign} ", style), _ending(outcome)
        if outcome.state == "failed":
            self._console.print(mark.append(outcome.planned.name), overflow="fold")
            self._console.print(Padding.indent(Text(ending, style="dim"), 2))
            return
        room = min(self._console.width, _WIDE) - len(ending) - 4
        name = cut_name(outcome.planned, room).ljust(room)
        self._console.print(mark.append(name).append(f"  {ending}", style="dim"))

    def picture(self) -> RenderableType:
        """Return the moving part as it stands now; where it would be higher than the terminal, without some cells."""
        now = self._progress.snapshot()
        wide = self._console.width >= _WIDE
        rows = now.running[: max(1, self._console.height - 3)]
        hidden = len(now.running) - len(rows)
        room = self._console.width - (24 if wide else 8) - 44
        cells = Progress(TextColumn("  {task.description}", markup=False), _bar(24 if wide else 8), *_FIGURES)
        for each, seconds in rows:
            name, share = cut_name(each.planned, room), int(_PARTS * each.share)
            cells.add_task(name, total=_PARTS, completed=share, **_figures(each, seconds))
        whole = Progress(_bar(30 if wide else 16), _Words("words"))
        whole.add_task("", total=_PARTS, completed=int(_PARTS * now.done), words=_sum(now, hidden))
        return Group(*cells.get_renderables(), *whole.get_renderables())


class _Words(ProgressColumn):
    """A field of the task that is text already."""

    def __init__(self, name: str, width: int | None = None) -> None:
        self._name = name
        super().__init__(Column(no_wrap=True, width=width, justify="left" if width is None else "right"))

    def render(self, task: Task) -> Text:
        text: Text = task.fields[self._name]
        return text


_FIGURES: Final = (_Words("place", 7), _Words("score", 10), _Words("loss", 10), _Words("speed", 7))


def _bar(width: int) -> BarColumn:
    return BarColumn(width, complete_style="cyan", finished_style="cyan")


def _figures(running: Running, seconds: float) -> dict[str, Any]:
    """Return what stands beside a running cell's bar."""
    if running.planned.cell.recipe is None or not running.epoch:
        fields = {"place": Text("fitting", style="dim"), "score": Text(clock(seconds), style="dim")}
        return {**fields, "loss": Text(), "speed": Text()}
    metrics = running.metrics
    return {
        "place": Text(f"{running.epoch}/{running.epochs}"),
        "score": _figure("val ", metrics.get(VAL_ACCURACY), ".4f"),
        "loss": _figure("loss ", metrics.get(TRAIN_LOSS), ".3f"),
        "speed": Text(f"{scaled(metrics.get(IMAGES_PER_SECOND))}/s", style="dim"),
    }


def _figure(name: str, value: float | None, form: str) -> Text:
    return Text() if value is None else Text().append(name, "dim").append(f"{value:{form}}")


def _sum(now: Snapshot, hidden: int) -> Text:
    failed = now.ended.get("failed", 0)
    words = Text(f"{sum(now.ended.values()) - failed}/{now.total} done")
    if failed:
        words.append(f", {failed} failed", style="red")
    words.append(f", {len(now.running)} running", style="dim")
    if hidden:
        words.append(f" ({hidden} not shown)", style="dim")
    words.append(f"  {clock(now.seconds)}", style="dim")
    return words.append(f", about {rough(now.left)} left" if now.left else "", style="dim")


def cut_name(planned: PlannedCell, width: int) -> str:
    """Return a cell's name in at most `width` characters; what is cut is before the seed."""
    name, seed = planned.name, f" s{planned.cell.seed}"
    if len(name) <= width or not name.endswith(seed):
        return name[:width]
    return f"{name[: width - len(seed) - 1]}…{seed}"


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
