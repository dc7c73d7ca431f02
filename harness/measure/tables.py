"""The tables among a cell's artifacts: `confusion.csv` and `report.json`."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.measure.scores import Scores

CORNER = "true/predicted"


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts int64 [K, K] (row = true class, column = predicted class) and the K class names."""

    classes: tuple[str, ...]
    counts: NDArray[np.int64]


def write_confusion(confusion: NDArray[np.int64], classes: Sequence[str], path: Path) -> None:
    """Write counts [K, K] as CSV: one row a true class, one column a predicted class."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([CORNER, *classes])
        table.writerows([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))


def read_confusion(path: Path) -> Confusion:
    """Read what `write_confusion` wrote.

    Raises:
        ValueError: the file is no such table.
    """
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    classes = tuple(head[1:])
    counts = np.array([[int(value) for value in row[1:]] for row in rows], dtype=np.int64)
    if not classes or counts.shape != (len(classes), len(classes)):
        raise ValueError(f"{path}: not a square table of counts with class names")
    return Confusion(classes, counts)


def write_class_report(scores: Scores, classes: Sequence[str], path: Path) -> None:
    """Write accuracy, macro-F1 and each class's precision, recall, F1 and support as JSON."""
    each = scores.per_class
    rows = zip(classes, each.precision, each.recall, each.f1, each.support, strict=True)
    report = {
        "accuracy": scores.accuracy,
        "macro_f1": scores.macro_f1,
        "classes": [
            {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in rows
        ],
    }
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
