"""Metrics as people read them, one beside the other."""

from __future__ import annotations

import math
from typing import Final

from harness.cli.amounts import count, duration, size

ORDER: Final = (
    "val/accuracy",
    "val/macro_f1",
    "val/loss",
    "val/ece",
    "test/accuracy",
    "test/macro_f1",
    "test/loss",
    "test/ece",
    "test/accuracy_tta",
    "train/accuracy",
    "train/loss",
    "best_epoch",
    "model/parameters",
    "model/flops",
    "time/train_seconds",
    "images_per_second",
    "memory/peak_bytes",
)
"""The metrics that say something of a finished run; the last epoch's learning rate, for one, does not."""


def value_of(name: str, value: float | None) -> str:
    """Return a metric's value with its unit.

    >>> value_of("test/accuracy", 0.9125), value_of("val/loss", 0.31234), value_of("model/parameters", 288746.0)
    ('91.25 %', '0.3123', '289k')
    """
    if value is None or not math.isfinite(value):
        return "-" if value is None else str(value)
    if _is_share(name):
        return f"{100 * value:.2f} %"
    if name.startswith("model/") or name == "images_per_second":
        return count(value)
    if name.startswith("time/"):
        return duration(value)
    if name.startswith("memory/"):
        return size(value)
    return f"{value:.0f}" if name == "best_epoch" else f"{value:.4f}"


def difference_of(name: str, a: float | None, b: float | None) -> str:
    """Return B less A: in points for shares, as a factor for amounts; empty where there is nothing to tell.

    >>> difference_of("test/accuracy", 0.91, 0.92), difference_of("model/flops", 2e6, 3e6)
    ('+1.00', 'x 1.50')
    """
    if a is None or b is None or a == b or not (math.isfinite(a) and math.isfinite(b)):
        return ""
    if _is_share(name):
        return f"{100 * (b - a):+.2f}"
    if name.endswith("loss"):
        return f"{b - a:+.4f}"
    return f"x {b / a:.2f}" if a > 0 and name != "best_epoch" else ""


def _is_share(name: str) -> bool:
    return name.endswith(("accuracy", "macro_f1", "ece", "accuracy_tta"))
