"""`results.md`: the report for GitHub and for whoever reads plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.report.compose import Report
from harness.report.confusions import Confusions
from harness.report.figures import Figures
from harness.report.numbers import amount, percent
from harness.report.provenance import Fact
from harness.report.tables import Table, Value


def markdown_text(report: Report, figures: Figures) -> str:
    """Return the report as GitHub Markdown; pictures are referred to by their relative paths."""
    parts = [
        *_top(report),
        *_results(report, figures),
        *_honesty(report),
        *_section("Claims", [report.claims] if report.claims else []),
        *_section("Ablations", report.ablations),
        *_pictures(report, figures),
        *_how(report),
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
    if report.gaps:
        yield f"**{_safe(report.gaps)}**"
    yield " ".join(map(_safe, report.headline))
    yield "\n".join(f"- {_safe(fact.name)}: {_safe(fact.text)}" for fact in report.glance)


def _results(report: Report, figures: Figures) -> Iterator[str]:
    yield "## Results"
    yield f"{_safe(report.results.caption)}."
    yield markdown_table(report.results)
    if figures.results:
        yield f"![Accuracy of every seed by experiment]({figures.results})"


def _honesty(report: Report) -> Iterator[str]:
    yield "## Test openings and duplicates"
    yield _safe(report.ledger.text)
    if report.ledger.faults:
        yield "\n".join(f"- **{_safe(fault)}**" for fault in report.ledger.faults)
    for each in report.duplicates:
        mark = "**" if each.is_fault else ""
        yield f"{mark}{_safe(each.dataset)}: {_safe(each.text)}{mark}"


def _section(title: str, tables: Sequence[Table]) -> Iterator[str]:
    if tables:
        yield f"## {title}"
    for table in tables:
        yield f"### {_safe(table.caption)}"
        yield markdown_table(table)


def _pictures(report: Report, figures: Figures) -> Iterator[str]:
    if report.curves:
        yield "## Curves"
    for curves, path in zip(report.curves, figures.curves, strict=True):
        yield f"### {_safe(curves.variant.name)}: {amount(len(curves.histories), 'seed')}"
        yield f"![Loss and accuracy by epoch of {_safe(curves.variant.name)}]({path})"
    if report.confusions:
        yield "## Confusions"
    for confusions, path in zip(report.confusions, figures.confusions, strict=True):
        name = _safe(confusions.variant.name)
        yield f"### {name}: {confusions.split} images, {amount(confusions.seeds, 'seed')}"
        yield _mistakes(confusions)
        yield f"![Confusion matrix of {name}]({path})"


def _mistakes(confusions: Confusions) -> str:
    lines = [
        f"- {_safe(each.true)} taken for {_safe(each.predicted)}: "
        f"{percent(each.share)} % ({each.count:,} of {each.of:,})"
        for each in confusions.worst
    ]
    return "\n".join(lines) or "No mistakes."


def _how(report: Report) -> Iterator[str]:
    yield "## How it was run"
    yield _facts(report.facts)
    if report.failures:
        yield "### Failed cells"
        yield _facts(report.failures)
    for table in (report.cells, report.ledger.openings):
        if table.rows:
            yield f"<details><summary>{_safe(table.caption)}</summary>\n\n{markdown_table(table)}\n\n</details>"


def _facts(facts: Sequence[Fact]) -> str:
    return "\n".join(f"- {_safe(fact.name)}: {_safe(fact.text)}" for fact in facts)


def _text(value: Value) -> str:
    return f"`{value.text}`" if value.code and value.text else _safe(value.text)


def _safe(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    flat = re.sub(r"\s+", " ", text).strip()
    escaped = re.sub(r"([\\`*\[\]|])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
