"""All files of a report, each written whole or not at all; one process at a time writes a report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.contracts import StudyPlan
from harness.phases import phase
from harness.report.blocks import Document
from harness.report.context import context_of
from harness.report.csv_files import csv_texts
from harness.report.figures import distinct, earlier_files, files_of, remove
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


def write_report(store: ReportStore, study: str | StudyPlan, folder: Path, until: float | None = None) -> Written:
    """Write the report of a study into `folder`, in place of an earlier one; `until` as in `gather`.

    The same store gives the same bytes, whenever it is called. What an earlier report had and this one has not is
    removed when all of this one is there.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    context = context_of(store, study, until)
    document = Document(context.findings.plan.study, warning(context.findings), distinct(sections_of(context)))
    texts = {
        **csv_texts(context),
        "results.tex": latex_text(document),
        "index.html": page_text(document, context.links),
        "results.md": markdown_text(document),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        earlier = earlier_files(folder)
        files = [file for section in document.sections for file in files_of(section.blocks)]
        files += [(name, text.encode()) for name, text in texts.items() if text]
        for name, content in files:
            _write(folder / name, content)
        remove((earlier | {folder / name for name in texts}) - {folder / name for name, _ in files})
    return Written(
        folder=folder,
        html=folder / "index.html",
        markdown=folder / "results.md",
        results=folder / "results.csv",
        cells=folder / "cells.csv",
        summary=summary_of(context),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the right to write into a folder; who has to wait for it says so."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with phase(f"waiting for another process that writes {folder}"):
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
