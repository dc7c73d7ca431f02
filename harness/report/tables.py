"""A table as a value: Markdown and HTML are two ways to write the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "bad", "muted"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; numbers stand at the right. `hint` explains it where there is room."""

    title: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the tracking store, and what a link to it is called (empty: as the value that it stands with)."""

    name: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Value:
    """A cell's text, and what it is sorted by (None sorts last)."""

    text: str
    order: float | str | None = None
    tone: Tone = ""
    code: bool = False
    detail: str = ""
    """Said after the text, smaller where that can be: an interval."""
    runs: tuple[Run, ...] = ()
    """Where it comes from, for a page that has links."""


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, columns and rows of as many values; a row is named by its first value. Notes stand below."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()


def named(text: str, tone: Tone = "") -> Value:
    """Return a text that is sorted by itself."""
    return Value(text, text.casefold(), tone)
