"""What a report is made of, as values: a section is a heading and blocks, a writer (HTML, Markdown, LaTeX) knows these.

Everything is plain text: what comes from files, labels or servers is escaped by the writers, and by nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.charts.style import Chart

Tone = Literal["", "good", "bad", "muted", "lead"]
"""bad stands out, muted steps back, lead is larger."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the tracking store, and what a link to it is called (empty: as the value that it stands with)."""

    name: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph of plain text."""

    words: str
    tone: Tone = ""
    lead: str = ""
    """Words before it that stand out: `To try next:`."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list of short plain texts."""

    items: tuple[str, ...]
    tone: Tone = ""
    lead: str = ""
    """Words before it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what there is to say of it."""

    name: str
    text: str
    code: bool = False
    """Whether the name is something to type."""
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, one a line; as tiles where a page begins."""

    facts: tuple[Fact, ...]
    as_tiles: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """The text of a file that lies beside the report, shown as it is."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; numbers stand at the right. `hint` explains it where there is room."""

    title: str
    numeric: bool = True
    hint: str = ""
    extra: bool = False
    """Whether the page hides it until a reader asks for it."""


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
    sortable: bool = True
    label: str = ""
    """What it is called in results.tex; empty where it is none of the tables for papers."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, what it shows in words (alternative text) and, where that is not enough, a caption."""

    name: str
    """The file's name in `figures/`, with its suffix (.png, .jpg or .webp); of a picture on the page alone any name."""
    file: bytes
    words: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Images:
    """Pictures side by side where there is room."""

    pictures: tuple[Picture, ...]
    small: bool = False
    """Whether they are thumbnails, many a row."""
    sheet: Picture | None = None
    """One picture of all of them, for Markdown; without one each is a file."""
    page_only: bool = False
    """Whether the page alone has them, and no file."""


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side where there is room, one below the other on a phone."""

    charts: tuple[Chart, ...]
    page_only: bool = False
    """Whether the page alone has them, and no file: an SVG takes as long as a hundred live ones."""


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks under a heading of their own."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens; open on paper."""

    title: str
    blocks: tuple[Block, ...]
    is_open: bool = False


Block = Text | Items | Facts | Code | Table | Charts | Images | Group | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its anchor and blocks; an empty title is the first screen."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A report: its title, why it is for testing only (empty where it is not), and its sections."""

    title: str
    banner: str
    sections: tuple[Section, ...]


def named(text: str, tone: Tone = "") -> Value:
    """Return a text that is sorted by itself."""
    return Value(text, text.casefold(), tone)
