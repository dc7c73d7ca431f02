"""All files of a report, each written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.report.compose import compose
from harness.report.csv_files import cells_csv, results_csv
from harness.report.figures import draw_figures
from harness.report.gather import gather
from harness.report.markdown import markdown_text
from harness.report.page import page_text
from harness.report.records import ReportStore


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report; pictures are in `folder`/figures."""

    folder: Path
    html: Path
    markdown: Path
    results: Path
    cells: Path
    warning: str
    """Why the figures are for testing only, empty where they are not."""


def write_report(store: ReportStore, study: str, folder: Path) -> Written:
    """Write the report of a study into `folder`, in place of an earlier one.

    The same store gives the same bytes, whenever it is called.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    findings = gather(store, study)
    report = compose(findings, store)
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_figures(report, folder)
    return Written(
        folder=folder,
        html=_write(folder / "index.html", page_text(report)),
        markdown=_write(folder / "results.md", markdown_text(report, figures)),
        results=_write(folder / "results.csv", results_csv(findings)),
        cells=_write(folder / "cells.csv", cells_csv(findings)),
        warning=report.warning,
    )


def _write(path: Path, text: str) -> Path:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8", newline="\n")
    return beside.replace(path)
