"""`results.md`: the report for GitHub and for whoever reads plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.report.blocks import (
    Block,
    Charts,
    Code,
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
from harness.report.compose import Report
from harness.report.figures import Figures


def markdown_text(report: Report, figures: Figures) -> str:
    """Return the report as GitHub Markdown; pictures are referred to by their relative paths."""
    parts = [
        *_top(report),
        *_new(report, "results"),
        *_new(report, "comparisons"),
        *_new(report, "compared"),
        *_new(report, "by-setting"),
        *_new(report, "openings"),
        *_new(report, "claims"),
        *_new(report, "ablations"),
        *_tuning(report, figures),
        *_new(report, "diagnosis"),
        *_new(report, "curves"),
        *_new(report, "confusions"),
        *_new(report, "errors"),
        *_new(report, "agreement"),
        *_new(report, "calibration"),
        *_new(report, "inside"),
        *_new(report, "cost"),
        *_new(report, "honesty"),
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """Return a table in GitHub Markdown with its notes below; its caption is not part of it."""
    head = "| " + " | ".join(_safe(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    rows = ("| " + " | ".join(map(_text, row)) + " |" for row in table.rows)
    notes = "".join(f"\n- {_safe(note)}" for note in table.notes)
    return "\n".join([head, rule, *rows]) + (f"\n{notes}" if notes else "")


def _top(report: Report) -> Iterator[str]:
    if report.warning:
        yield f"> **{_safe(report.warning)}**"
    yield f"# {_safe(report.study)}"
    yield from _new(report, "top")


def _tuning(report: Report, figures: Figures) -> Iterator[str]:
    if report.tuning is None:
        return
    yield "## Tuning"
    yield from map(_safe, report.tuning.remarks)
    for table in report.tuning.comparisons:
        yield f"{_safe(table.caption)}:"
        yield markdown_table(table)
    for study, paths in zip(report.tuning.studies, figures.tuning, strict=True):
        yield f"### {_safe(study.experiment)}"
        yield _facts(study.facts)
        if study.best_file:
            yield f"The winner as a matrix file: [{_safe(study.best_file)}](<{study.best_file}>), for `harness run`."
        yield f"MLflow run: `{study.run_id}`"
        for table in study.tables:
            yield f"{_safe(table.caption)}:"
            yield markdown_table(table)
        for path in paths:
            yield f"![{_safe(study.experiment)}, tuning: {Path(path).stem}](<{path}>)"
        yield _safe(study.importance)


def _folded(table: Table) -> str:
    return f"<details><summary>{_safe(table.caption)}</summary>\n\n{markdown_table(table)}\n\n</details>"


def _facts(facts: Sequence[Fact]) -> str:
    return "\n".join(f"- {_safe(fact.name)}: {_safe(fact.text)}" for fact in facts)


def _text(value: Value) -> str:
    text = f"`{value.text}`" if value.code and value.text else _safe(value.text)
    return f"{text} {_safe(value.detail)}" if value.detail else text


def _new(report: Report, anchor: str) -> Iterator[str]:
    for section in report.sections:
        if section.anchor == anchor:
            yield from markdown_section(section)


def markdown_section(section: Section) -> Iterator[str]:
    """Return a section's paragraphs; its pictures are files in `figures/`."""
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
            yield "\n".join(
                f"- {f'`{each.name}`' if each.code else _safe(each.name)}: {_safe(each.text)}" for each in block.facts
            )
        case Code():
            yield f"[{_safe(block.file)}](<{block.file}>)"
        case Table():
            yield f"{_safe(block.caption)}:"
            yield markdown_table(block)
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


def _safe(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    flat = re.sub(r"\s+", " ", text).strip()
    escaped = re.sub(r"([\\`*\[\]|])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
