"""Where output goes: results to stdout, progress and messages to stderr, calm on both."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from harness.errors import printable, without_secrets
from harness.escape import in_json

_PIPE_COLUMNS: Final = 160
"""Width of lines that go to a file or a pipe, where no terminal says how wide it is."""
MOST_WARNINGS: Final = 20


def results() -> Console:
    """Return the console on stdout, for what was asked for: tables and JSON."""
    return _console(sys.stdout)


def messages() -> Console:
    """Return the console on stderr, for progress, remarks and errors."""
    return _console(sys.stderr)


class _Calm(Console):
    """A console on which no text, wherever it comes from, steers the terminal: what would is shown as an escape."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield what is drawn; rich's own steering (`control`) stays."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable():
                yield segment
            else:
                yield Segment(printable(text, "\n"), segment.style)


@lru_cache(maxsize=4)
def _console(stream: TextIO) -> Console:
    """Return the one console of a stream: two moving parts on one terminal must know of each other.

    Without a terminal: no colors, and lines as long as their content asks for.
    """
    known = stream.isatty() or "COLUMNS" in os.environ
    return _Calm(
        file=stream,
        width=None if known else _PIPE_COLUMNS,
        highlight=False,
        markup=False,  # names have brackets
        emoji=False,
        force_terminal=stream.isatty(),  # FORCE_COLOR and the like must not color a file
    )


def print_json(value: object) -> None:
    """Print a value as indented JSON on stdout; NaN and infinity are refused."""
    sys.stdout.write(in_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n")


def say(line: str) -> None:
    """Print one remark on stderr."""
    tell(messages(), line)


def tell(console: Console, line: str, style: str = "") -> None:
    """Print a line of text: wrapped between words in a terminal, whole where programs read it."""
    console.print(Text(without_secrets(line), style=style), soft_wrap=not console.is_terminal)


def warn(lines: Sequence[str]) -> None:
    """Print what is to be warned of on stderr, a line each; of very many the first ones."""
    for line in lines[:MOST_WARNINGS]:
        tell(messages(), f"Warning: {line}", style="yellow")
    if len(lines) > MOST_WARNINGS:
        tell(messages(), f"Warning: and {len(lines) - MOST_WARNINGS:,} more of the kind", style="yellow")


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """Return an empty table in the house style; columns named in `right` hold numbers."""
    made = Table(
        box=SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        border_style="dim",
        pad_edge=False,
        show_edge=False,
        padding=(0, 1),
    )
    for column in columns:
        number = column in right
        made.add_column(column, justify="right" if number else "left", overflow="fold", no_wrap=number)
    return made


def shown_path(path: Path) -> str:
    """Return a path as a person would write it: relative to the working folder where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
