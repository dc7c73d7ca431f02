"""Whether a study's report can be believed: recomputed and checked from what the store holds."""

from harness.audit.checks import Verdict, not_checked, verdicts
from harness.audit.evidence import Evidence, Finding, gather_evidence

__all__ = ["Evidence", "Finding", "Verdict", "gather_evidence", "not_checked", "verdicts"]
