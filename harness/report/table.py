"""The results as short rows, for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.context import context_of
from harness.report.results import tier_value
from harness.report.significance import Verdicts
from harness.report.store import ReportStore
from harness.report.variants import (
    TEST,
    VALIDATION,
    Variant,
    cells_value,
    notes_of,
    parameters_value,
    share_value,
    test_value,
    train_time,
)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One variant as the report's results table has it; figures in percent, `-` where there are none."""

    experiment: str
    tier: str
    """Experiments of a tier cannot be told apart; 1 is the best."""
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
    context = context_of(store, study)
    return list(rows_of(context.variants, context.verdicts))


def rows_of(variants: Sequence[Variant], known: Verdicts) -> tuple[SummaryRow, ...]:
    """Return the rows of variants that are ranked already."""
    return tuple(_row(variant, known) for variant in variants)


def _row(variant: Variant, known: Verdicts) -> SummaryRow:
    return SummaryRow(
        experiment=variant.name,
        tier=tier_value(variant, known).text,
        test_accuracy=test_value(variant, TEST).text,
        test_macro_f1=test_value(variant, "test/macro_f1").text,
        val_accuracy=share_value(variant.spread(VALIDATION)).text,
        parameters=parameters_value(variant).text,
        train_time=train_time(variant).text,
        cells=cells_value(variant).text,
        notes=notes_of(variant),
    )
