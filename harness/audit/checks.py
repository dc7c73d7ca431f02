"""All checks of the audit, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from harness.audit.data import check_labels, check_splits
from harness.audit.evidence import Evidence, Finding
from harness.audit.figures import check_figures, check_fits
from harness.audit.files import check_artifacts
from harness.audit.journal import check_journal
from harness.audit.leakage import check_leakage
from harness.audit.openings import check_openings, check_order
from harness.audit.report_files import check_report
from harness.audit.searches import check_searches
from harness.data.leakage import TOLERATED

__all__ = ["Verdict", "not_checked", "verdicts"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check came to; `claim` is what it looks for, true if the check is passed."""

    name: str
    claim: str
    findings: tuple[Finding, ...]

    @property
    def is_passed(self) -> bool:
        """Whether nothing was found that the audit fails of."""
        return not any(finding.is_fault for finding in self.findings)


def verdicts(evidence: Evidence, tolerance: float = TOLERATED) -> Iterator[Verdict]:
    """Yield the verdict of each check as it comes.

    Args:
        evidence: The study.
        tolerance: Share of the test images, in [0, 1], that may be exact duplicates of training images; of near ones
            5 % may be there, or this share if it is larger.
    """
    for name, claim, check in _checks(evidence, tolerance):
        yield Verdict(name, claim, check(evidence))


def not_checked(evidence: Evidence) -> tuple[str, ...]:
    """Return what no check of the audit can tell, or could not in this study."""
    found = [
        "whether the models predict what was logged: nothing was predicted again",
        "whether someone who can write to the store made all of it anew, the whole journal too: that takes the digest "
        "of an entry which was noted elsewhere before",
        "looks at the test images outside of this store",
    ]
    if not evidence.findings.journal:
        found.append("what an earlier version did not record: this store has no journal")
    if not (evidence.report_folder / "index.html").is_file():
        found.append(f"the report: there is none in {evidence.report_folder}")
    return tuple(found)


def _checks(
    evidence: Evidence, tolerance: float
) -> tuple[tuple[str, str, Callable[[Evidence], tuple[Finding, ...]]], ...]:
    searched = bool(evidence.tuned) or any(run.kind == "trial" for run in evidence.runs)
    won = "the best trial won, before the test set was opened for it" if searched else "there are none in this study"
    return (
        ("journal", "plans, runs and their ends are as the journal has them", check_journal),
        ("openings", "one test opening a cell at most, as the ledger says", check_openings),
        ("order", "each fit was over before its test set was opened", check_order),
        ("searches", won, check_searches),
        (
            "leakage",
            f"at most {tolerance:.2%} of test images are in train too",
            partial(check_leakage, tolerance=tolerance),
        ),
        ("splits", "cells on one data set have the same train and val. split", check_splits),
        ("labels", "cells on one data set are measured by the same labels", check_labels),
        ("artifacts", "files, metrics and settings are as the cells left them", check_artifacts),
        ("figures", "all figures of cells follow from logged predictions", check_figures),
        ("fits", "epochs and train times are as the fits recorded them", check_fits),
        ("report", "the report is, byte for byte, what the store gives", check_report),
    )
