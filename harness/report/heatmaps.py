"""Confusion matrices on the page: a table that can be read, or pixels where there are too many classes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from harness.measure.confusion import COUNTS_UP_TO, percent_text
from harness.measure.drawing import shortened
from harness.report.confusions import Confusions

TABLE_UP_TO: Final = 26
NAME_LENGTH: Final = 16
BLUE: Final = (70, 135, 200)
AMBER: Final = (222, 135, 40)


@dataclass(frozen=True, slots=True)
class Square:
    """One cell of the table: percent of the row, how strong its color is in [0, 100], and the counts in words."""

    text: str
    count: str
    """Empty where the table has no room for it."""
    strength: int
    is_right: bool
    words: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A true class and what its images were taken for."""

    name: str
    squares: tuple[Square, ...]


def heat_rows(confusions: Confusions) -> tuple[HeatRow, ...]:
    """Return the table's rows, none where there are too many classes for a table."""
    if len(confusions.classes) > TABLE_UP_TO:
        return ()
    every = range(len(confusions.classes))
    return tuple(
        HeatRow(name, tuple(_square(confusions, row, column) for column in every))
        for row, name in enumerate(short_names(confusions))
    )


def short_names(confusions: Confusions) -> tuple[str, ...]:
    """Return the class names, long ones cut."""
    return tuple(shortened(name, NAME_LENGTH) for name in confusions.classes)


def heat_picture(confusions: Confusions) -> str:
    """Return a data URI of a PNG with one pixel a cell, clear where nothing was counted: it suits any background."""
    strength = np.sqrt(confusions.shares)
    size = len(strength)
    pixels = np.empty((size, size, 4), dtype=np.uint8)
    pixels[..., :3] = np.where(np.eye(size, dtype=bool)[..., None], BLUE, AMBER)
    pixels[..., 3] = np.round(255 * strength)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _square(confusions: Confusions, row: int, column: int) -> Square:
    count, total = int(confusions.counts[row, column]), int(confusions.counts[row].sum())
    share = count / total if total else 0.0
    true, said = confusions.classes[row], confusions.classes[column]
    return Square(
        text=percent_text(share) if count else "",
        count=f"{count:,}" if count and len(confusions.classes) <= COUNTS_UP_TO else "",
        strength=round(100 * share**0.5 * (0.85 if row == column else 1)),
        is_right=row == column,
        words=f"{true} taken for {said}: {count:,} of {total:,}" if count else "",
    )
