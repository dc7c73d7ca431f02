"""`results.md`: the report for GitHub and for whoever reads plain text. Knows blocks, and no section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.report.blocks import (
    Block,
    Charts,
    Code,
    Document,
    Facts,
    Fold,
    Group,
    Images,
    Items,
    Section,
    Table,
    Text,
    Value,
)


def markdown_text(document: Document) -> str:
    """Return the report as GitHub Markdown; pictures and charts are files in `figures/`."""
    banner = [f"> **{_safe(document.banner)}**"] if document.banner else []
    body = (part for section in document.sections for part in _section(section))
    return "\n\n".join([*banner, f"# {_safe(document.title)}", *body]) + "\n"


def markdown_table(table: Table) -> str:
    """Return a table in GitHub Markdown with its notes below; its caption is not part of it."""
    head = "| " + " | ".join(_safe(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    rows = ("| " + " | ".join(map(_cell, row)) + " |" for row in table.rows)
    notes = "".join(f"\n- {_safe(note)}" for note in table.notes)
    return "\n".join([head, rule, *rows]) + (f"\n{notes}" if notes else "")


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield f"## {_safe(section.title)}"
    yield from _blocks(section.blocks, 3)


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Text():
            words = f"**{_safe(block.words)}**" if block.tone == "bad" else _safe(block.words)
            yield f"**{_safe(block.lead)}** {words}" if block.lead else words
        case Items():
            mark = "**" if block.tone == "bad" else ""
            if block.lead:
                yield f"{mark}{_safe(block.lead)}{mark}"
            yield "\n".join(f"- {mark}{_safe(item)}{mark}" for item in block.items)
        case Facts():
            names = (f"`{each.name}`" if each.code else _safe(each.name) for each in block.facts)
            yield "\n".join(f"- {name}: {_safe(each.text)}" for name, each in zip(names, block.facts, strict=True))
        case Code():
            yield f"[{_safe(block.file)}](<{block.file}>)"
        case Table():
            yield f"{_safe(block.caption)}:"
            yield markdown_table(block)
        case Charts(page_only=True) | Images(page_only=True):
            yield "In index.html alone."
        case Charts():
            yield from (f"![{_safe(chart.words)}](<figures/{chart.name}.svg>)" for chart in block.charts)
        case Images():
            pictures = (block.sheet,) if block.sheet is not None else block.pictures
            yield from (f"![{_safe(each.words)}](<figures/{each.name}>)" for each in pictures)
        case Group():
            yield f"{'#' * level} {_safe(block.title)}"
            yield from _blocks(block.blocks, level + 1)
        case Fold():
            inner = "\n\n".join(_blocks(block.blocks, level))
            yield f"<details><summary>{_safe(block.title)}</summary>\n\n{inner}\n\n</details>"


def _cell(value: Value) -> str:
    text = f"`{value.text}`" if value.code and value.text else _safe(value.text)
    return f"{text} {_safe(value.detail)}" if value.detail else text


def _safe(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    flat = re.sub(r"\s+", " ", text).strip()
    escaped = re.sub(r"([\\`*\[\]|])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
