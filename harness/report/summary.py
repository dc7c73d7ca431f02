"""What a report comes to, for the end of a run in a terminal: the results, the verdict, what to try next, warnings."""

from __future__ import annotations

from dataclasses import dataclass

from harness.contracts import StudyPlan
from harness.report.context import Context, context_of
from harness.report.sections.diagnosis import all_diagnosed
from harness.report.sections.headline import flattery, gaps, headline, next_steps, warning
from harness.report.sections.openings import audit_faults, looked
from harness.report.sections.results import SummaryRow, rows_of
from harness.report.store import ReportStore


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands on the first screen of the report, as values."""

    rows: tuple[SummaryRow, ...]
    """A row a variant, the best on the test set first."""
    headline: tuple[str, ...]
    """Who won and how sure that is, in sentences."""
    next_steps: str
    """What to try next, empty where nothing is known; a smoke run tells nothing of it."""
    warnings: tuple[str, ...]
    """Why the figures are not to be trusted: cut runs, what the audit would fail, cells that are lacking."""


def summary_of(context: Context) -> Summary:
    """Return what a study's report comes to."""
    findings, known, diagnosed = context.findings, context.verdicts, context.once(all_diagnosed)
    return Summary(
        rows=rows_of(context),
        headline=headline(context.variants, findings.plan.report.baseline, known, diagnosed, context.ranking),
        next_steps="" if findings.is_smoke else next_steps(context.variants, diagnosed, known),
        warnings=tuple(
            filter(
                None, (warning(findings), *audit_faults(context), flattery(context), _looked(context), gaps(findings))
            )
        ),
    )


def _looked(context: Context) -> str:
    """Return what cells that the study itself opened are not shown, empty if there are none."""
    found = context.once(looked)
    return found.words if found is not None and any(look.is_own for look in context.findings.looks) else ""


def summarize(store: ReportStore, study: str | StudyPlan) -> Summary:
    """Return what the report of a study would come to, without writing it.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    return summary_of(context_of(store, study))
