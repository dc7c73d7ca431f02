"""`results.md`: the report for GitHub and for whoever reads plain text. Knows blocks, and no section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.escape import in_markdown, in_markdown_code
from harness.report.blocks import (
    Block,
    Charts,
    Code,
    Document,
    Fact,
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

_BOLD: Final = "**"


def markdown_text(document: Document) -> str:
    """Return the report as GitHub Markdown; pictures and charts are files in `figures/`."""
    banner = [f"> **{in_markdown(document.banner)}**"] if document.banner else []
    body = (part for section in document.sections for part in _section(section))
    return "\n\n".join([*banner, f"# {in_markdown(document.title)}", *body]) + "\n"


def markdown_table(table: Table) -> str:
    """Return a table in GitHub Markdown with its notes below; its caption is not part of it."""
    head = "| " + " | ".join(in_markdown(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    rows = ("| " + " | ".join(map(_cell, row)) + " |" for row in table.rows)
    notes = "".join(f"\n- {in_markdown(note, begins_line=True)}" for note in table.notes)
    return "\n".join([head, rule, *rows]) + (f"\n{notes}" if notes else "")


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield f"## {in_markdown(section.title)}"
    yield from _blocks(section.blocks, 3)


def _blocks(blocks: Sequence[Block], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Text():
            mark = _BOLD if block.tone == "bad" else ""
            words = f"{mark}{in_markdown(block.words, begins_line=not (block.lead or mark))}{mark}"
            yield f"**{in_markdown(block.lead)}** {words}" if block.lead else words
        case Items():
            mark = _BOLD if block.tone == "bad" else ""
            if block.lead:
                yield f"{mark}{in_markdown(block.lead, begins_line=not mark)}{mark}"
            yield "\n".join(f"- {mark}{in_markdown(item, begins_line=not mark)}{mark}" for item in block.items)
        case Facts():
            yield "\n".join(f"- {_name(each)}: {in_markdown(each.text)}" for each in block.facts)
        case Code():
            yield f"[{in_markdown(block.file)}](<{block.file}>)"
        case Table():
            yield f"{in_markdown(block.caption, begins_line=True)}:"
            yield markdown_table(block)
        case Charts(page_only=True) | Images(page_only=True):
            yield "In index.html alone."
        case Charts():
            yield from (f"![{in_markdown(chart.words)}](<figures/{chart.name}.svg>)" for chart in block.charts)
        case Images():
            pictures = (block.sheet,) if block.sheet is not None else block.pictures
            yield from (f"![{in_markdown(each.words)}](<figures/{each.name}>)" for each in pictures)
        case Group():
            yield f"{'#' * level} {in_markdown(block.title)}"
            yield from _blocks(block.blocks, level + 1)
        case Fold():
            inner = "\n\n".join(_blocks(block.blocks, level))
            yield f"<details><summary>{in_markdown(block.title)}</summary>\n\n{inner}\n\n</details>"


def _name(fact: Fact) -> str:
    return in_markdown_code(fact.name) if fact.code else in_markdown(fact.name, begins_line=True)


def _cell(value: Value) -> str:
    text = in_markdown_code(value.text, in_table=True) if value.code else in_markdown(value.text)
    return f"{text} {in_markdown(value.detail)}" if value.detail else text
