"""All files of a report, each written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.report.blocks import Document
from harness.report.context import context_of
from harness.report.csv_files import csv_texts
from harness.report.figures import distinct, remove_earlier, write_files
from harness.report.html import page_text
from harness.report.latex import latex_text
from harness.report.markdown import markdown_text
from harness.report.sections import sections_of
from harness.report.sections.headline import warning
from harness.report.store import ReportStore
from harness.report.summary import Summary, summary_of


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report; charts and pictures are in `folder`/figures."""

    folder: Path
    html: Path
    markdown: Path
    results: Path
    cells: Path
    summary: Summary
    """What the report comes to, as a terminal shows it."""


def write_report(store: ReportStore, study: str, folder: Path) -> Written:
    """Write the report of a study into `folder`, in place of an earlier one.

    The same store gives the same bytes, whenever it is called.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    context = context_of(store, study)
    document = Document(study, warning(context.findings), distinct(sections_of(context)))
    folder.mkdir(parents=True, exist_ok=True)
    remove_earlier(folder)
    for section in document.sections:
        write_files(section.blocks, folder)
    texts = {
        **csv_texts(context),
        "results.tex": latex_text(document),
        "index.html": page_text(document, context.links),
        "results.md": markdown_text(document),
    }
    for name, text in texts.items():
        if text:
            _write(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)
    return Written(
        folder=folder,
        html=folder / "index.html",
        markdown=folder / "results.md",
        results=folder / "results.csv",
        cells=folder / "cells.csv",
        summary=summary_of(context),
    )


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(path)
