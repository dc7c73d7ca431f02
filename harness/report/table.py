"""The results as short rows, for a terminal of 80 columns."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.gather import Findings, gather
from harness.report.records import ReportStore
from harness.report.results import (
    TEST,
    VALIDATION,
    cells_value,
    notes_of,
    parameters_value,
    ranked,
    share_value,
    test_value,
    train_time,
)
from harness.report.variants import Variant, experiment_variants


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One variant as the report's results table has it; figures in percent, `-` where there are none."""

    experiment: str
    test_accuracy: str
    test_macro_f1: str
    val_accuracy: str
    parameters: str
    train_time: str
    cells: str
    """finished/planned"""
    notes: tuple[str, ...]
    """What is wrong or peculiar: too long for a column, to be shown below the table."""


def summary_rows(store: ReportStore, study: str) -> list[SummaryRow]:
    """Return a row for each variant of the study's experiments, the best on the test set first.

    Raises:
        InputError: the store holds no plan of that name.
    """
    return rows_of(gather(store, study))


def rows_of(findings: Findings) -> list[SummaryRow]:
    """Return the rows of what was gathered."""
    return [_row(variant) for variant in ranked(experiment_variants(findings))]


def _row(variant: Variant) -> SummaryRow:
    return SummaryRow(
        experiment=variant.name,
        test_accuracy=test_value(variant, TEST).text,
        test_macro_f1=test_value(variant, "test/macro_f1").text,
        val_accuracy=share_value(variant.spread(VALIDATION)).text,
        parameters=parameters_value(variant).text,
        train_time=train_time(variant).text,
        cells=cells_value(variant).text,
        notes=notes_of(variant),
    )
