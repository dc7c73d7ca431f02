"""All files of a report, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.report.compose import Report, compose
from harness.report.context import context_of
from harness.report.csv_files import ablations_csv, cells_csv, pairs_csv, results_csv
from harness.report.figures import draw_figures, write_pictures_of
from harness.report.latex import latex_text
from harness.report.markdown import markdown_text
from harness.report.page import page_text
from harness.report.sections.ablations import Effects, all_effects
from harness.report.sections.comparisons import FILE as PAIRS
from harness.report.store import ReportStore
from harness.report.summary import Summary, summary_of
from harness.report.tuning_files import TRIALS, trials_csv

ABLATIONS: Final = "ablations.csv"


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report; pictures are in `folder`/figures."""

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
    findings, report = context.findings, compose(context)
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_figures(report, folder)
    for section in report.sections:
        write_pictures_of(section.blocks, folder)
    _write_tuning(report, folder)
    _write_comparisons(report, context.once(all_effects), folder)
    return Written(
        folder=folder,
        html=_write(folder / "index.html", page_text(report)),
        markdown=_write(folder / "results.md", markdown_text(report, figures)),
        results=_write(folder / "results.csv", results_csv(findings, report.verdicts)),
        cells=_write(folder / "cells.csv", cells_csv(findings)),
        summary=summary_of(context),
    )


def _write_comparisons(report: Report, effects: Sequence[Effects], folder: Path) -> None:
    """Write the pairs behind tiers and ablations, where there are any, and the tables for papers."""
    for name, text in ((PAIRS, pairs_csv(report.verdicts.sets)), (ABLATIONS, ablations_csv(effects))):
        if text.count("\n") > 1:
            _write(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)
    _write(folder / "results.tex", latex_text(report))


def _write_tuning(report: Report, folder: Path) -> None:
    """Write every trial, and each winner's matrix file; those of an earlier report go."""
    for path in (*folder.glob("best-*.yaml"), folder / TRIALS):
        path.unlink(missing_ok=True)
    studies = report.tuning.studies if report.tuning is not None else ()
    if studies:
        _write(folder / TRIALS, trials_csv(study.tuning for study in studies))
    for study in studies:
        if study.best_file:
            _write(folder / study.best_file, study.best)


def _write(path: Path, text: str) -> Path:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8", newline="\n")
    return beside.replace(path)
