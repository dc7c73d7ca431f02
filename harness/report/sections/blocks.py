"""What a section is made of, as values: a writer (HTML, Markdown, LaTeX) knows these and never a section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.charts.style import Chart
from harness.report.tables import Table

Tone = Literal["", "good", "bad", "muted"]


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph of plain text; "bad" stands out, "muted" steps back."""

    words: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list of short plain texts."""

    items: tuple[str, ...]
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and what there is to say of it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, one a line; as tiles where a page begins."""

    facts: tuple[Fact, ...]
    as_tiles: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, what it shows in words (alternative text) and, where that is not enough, a caption."""

    name: str
    """The file's name in `figures/`, with its suffix (.png or .webp)."""
    file: bytes
    words: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Images:
    """Pictures side by side where there is room."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side where there is room, one below the other on a phone."""

    charts: tuple[Chart, ...]


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


Block = Text | Items | Facts | Table | Charts | Images | Group | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its anchor and blocks; an empty title is the first screen."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
