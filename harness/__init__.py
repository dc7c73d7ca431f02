"""harness: honest experiment matrices for image classification.

Python code calls `load_study`, `run`, `results`, `report` and `load_model`; what they raise is a `HarnessError`
(docs/python.md). None of them is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.api import load_study
    from harness.api.read import report, results
    from harness.api.run import run
    from harness.track.fitted import load_model

__version__ = "0.1.0"
__all__ = ["HarnessError", "load_model", "load_study", "report", "results", "run"]

_PLACES: Final = {
    "load_model": "harness.track.fitted",
    "load_study": "harness.api",
    "results": "harness.api.read",
    "run": "harness.api.run",
}
"""Where each is; `report` is the package of that name, which can be called."""


def __getattr__(name: str) -> Any:
    if name == "report":
        return import_module("harness.report")
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
