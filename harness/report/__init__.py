"""From what the store holds of a study to files that people read: HTML, Markdown, CSV, pictures."""

from harness.report.sections.results import SummaryRow, summary_rows
from harness.report.write import Written, write_report

__all__ = ["SummaryRow", "Written", "summary_rows", "write_report"]
