"""From what the store holds of a study to files that people read: HTML, Markdown, CSV, pictures."""

from harness.report.sections.results import SummaryRow
from harness.report.summary import Summary, summarize
from harness.report.write import Written, write_report

__all__ = ["Summary", "SummaryRow", "Written", "summarize", "write_report"]
