"""From what the store holds of a study to files that people read: HTML, Markdown, CSV, pictures.

The package can be called as well: `harness.report(study)` is `harness.api.read.report`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.report.sections.results import SummaryRow
from harness.report.summary import Summary, summarize
from harness.report.write import Written, write_report

__all__ = ["Summary", "SummaryRow", "Written", "summarize", "write_report"]


class _Callable(ModuleType):
    """A package of the name that Python code also knows a function by: an import of one must not hide the other."""

    def __call__(self, *args: Any, **kwargs: Any) -> Path:
        page: Path = import_module("harness.api.read").report(*args, **kwargs)
        return page


sys.modules[__name__].__class__ = _Callable
