"""Texts within a chart: how much room each takes, and whether that is free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Anchor: TypeAlias = Literal["start", "middle", "end"]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""
LETTER: Final = 6.1
"""Width of a letter of a label, as it is on average at 11 pixels."""
NAME_LENGTH: Final = 26


@dataclass(frozen=True, slots=True)
class Label:
    """A text that begins, ends or has its middle at `x`, its baseline at `y`."""

    text: str
    x: float
    y: float
    anchor: Anchor = "start"

    @property
    def box(self) -> Box:
        """The room that the text takes."""
        wide = LETTER * len(self.text)
        left = self.x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        return left, self.y - 9, left + wide, self.y + 3


def without_middle(text: str, longest: int) -> str:
    """Return the text with its middle as an ellipsis where it is too long: variants differ in their ends.

    >>> without_middle("small-cnn lr=0.1 width=64", 15)
    'small-c…idth=64'
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"


def first_free(labels: Iterable[Label], taken: Sequence[Box], within: Box) -> Label | None:
    """Return the first label that lies within a box and touches none of those taken; None if none does."""
    return next((label for label in labels if _is_free(label.box, taken, within)), None)


def around(x: float, y: float, half: float = 4.5) -> Box:
    """Return the box around a dot."""
    return x - half, y - half, x + half, y + half


def between(one: tuple[float, float], other: tuple[float, float]) -> Box:
    """Return the box around a line along an axis."""
    (x1, x2), (y1, y2) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return x1 - 1, y1 - 1, x2 + 1, y2 + 1


def _is_free(box: Box, taken: Sequence[Box], within: Box) -> bool:
    is_inside = box[0] >= within[0] and box[1] >= within[1] and box[2] <= within[2] and box[3] <= within[3]
    return is_inside and not any(_overlap(box, other) for other in taken)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
