"""`results.tex`: the tables for a paper, with booktabs; compiles as it stands, or its tables can be copied."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from harness.errors import printable
from harness.report.blocks import Block, Column, Document, Fold, Group, Table, Value
from harness.words import NOTHING

MOST_COLUMNS: Final = 10
HEAD: Final = r"""% Written by `harness report`. Needs booktabs, graphicx and textcomp.
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage[landscape, margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
"""
SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    "*": "{*}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "±": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u2212": "$-$",
    "…": r"\dots{}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2019": "'",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "µ": r"\textmu{}",
    "·": r"\textperiodcentered{}",
}
"""A bracket or a star at the start of a cell would belong to the line break before it."""


def latex_text(document: Document) -> str:
    """Return a document with the tables that have a label: the figures of the CSV, rounded."""
    labeled = [table for section in document.sections for table in _labeled(section.blocks)]
    tables = [(part, table.label) for table in labeled for part in _parts(table)]
    body = "\n".join(latex_table(table, f"tab:{kind}-{number}") for number, (table, kind) in enumerate(tables, 1))
    warning = f"\\noindent\\textbf{{{safe(document.banner)}}}\n\n" if document.banner else ""
    return f"{HEAD}{warning}{body}\\end{{document}}\n"


def latex_table(table: Table, label: str) -> str:
    """Return a table environment with the notes below it; a table that is too wide is made smaller."""
    columns = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        f"\\caption{{{safe(table.caption)}.}}",
        f"\\label{{{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        f"\\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_rows(table.columns, table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        *_notes(table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def safe(text: str) -> str:
    r"""Return text that LaTeX sets as it is; a character that it does not know becomes its plainest form, or `?`.

    >>> safe("50 % of a_b & c #1")
    '50 \\% of a\\_b \\& c \\#1'
    """
    flat = printable(re.sub(r"\s+", " ", text).strip())
    return "".join(SPECIAL.get(character) or _plain(character) for character in flat)


def _labeled(blocks: Sequence[Block]) -> Iterator[Table]:
    """Return the tables for papers, in their order."""
    for block in blocks:
        if isinstance(block, Table) and block.label:
            yield block
        elif isinstance(block, Group | Fold):
            yield from _labeled(block.blocks)


def _parts(table: Table) -> tuple[Table, ...]:
    """Return a table, in two where it has more columns than a page has room for; both name their rows."""
    if len(table.columns) <= MOST_COLUMNS:
        return (table,)
    place = -(-len(table.columns) // 2)
    first = replace(table, columns=table.columns[:place], rows=tuple(row[:place] for row in table.rows))
    columns = (table.columns[0], *table.columns[place:])
    rest = tuple((row[0], *row[place:]) for row in table.rows)
    return first, Table(f"{table.caption} (continued)", columns, rest)


def _rows(columns: Sequence[Column], rows: Sequence[Sequence[Value]]) -> Iterator[str]:
    yield _line([safe(column.title) for column in columns])
    yield r"\midrule"
    for row in rows:
        yield _line([_text(value, column) for value, column in zip(row, columns, strict=True)])


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _text(value: Value, column: Column) -> str:
    """Return a cell's text; the hyphen of a number is a minus sign."""
    if value.text == NOTHING:
        return "--"
    text = safe(f"{value.text} {value.detail}")
    return re.sub(r"(?<![\d-])-(?=\d)", "$-$", text) if column.numeric else text


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield r"\par\smallskip\raggedright\footnotesize"
        yield " \\\\\n".join(map(safe, notes))


def _plain(character: str) -> str:
    """Return a character that T1 fonts have: Latin-1 letters stay, accents elsewhere go."""
    if character.isascii() or "À" <= character <= "ÿ":
        return character
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
