"""Whether a study's report can be believed: recomputed and checked from what the store holds."""

from harness.audit.checks import TOLERANCE, Verdict, verdicts
from harness.audit.evidence import Evidence, Finding, gather_evidence

__all__ = ["Evidence", "Finding", "TOLERANCE", "Verdict", "gather_evidence", "verdicts"]
