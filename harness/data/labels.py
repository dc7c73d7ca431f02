"""Label values as they stand in a file -> class names and labels from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import DataError
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def class_names(values: NDArray[np.generic]) -> tuple[str, ...]:
    """Return the distinct label values, sorted as numbers or as text, as class names."""
    return tuple(str(value) for value in np.unique(values).tolist())


def encode_labels(
    where: str, values: NDArray[np.generic], classes: Sequence[str], are_positions: bool
) -> NDArray[np.int64]:
    """Return labels int64 [N] for label values.

    Args:
        where: the file, for messages.
        values: whole numbers or text [N].
        classes: the names of all classes.
        are_positions: whether whole numbers are positions in `classes`; otherwise, and for text,
            they are looked up by name.

    Raises:
        DataError: naming the rows whose value is no class.
    """
    if are_positions and np.issubdtype(values.dtype, np.integer):
        labels = values.astype(np.int64)
        unknown = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    else:
        distinct, positions = np.unique(values, return_inverse=True)
        known = {name: label for label, name in enumerate(classes)}
        labels = np.array([known.get(str(value), -1) for value in distinct.tolist()], dtype=np.int64)[positions]
        unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        rows = [f"row {row}: {values[row]}" for row in unknown]
        raise DataError(
            f"{where}: labels that are no class ({len(unknown):,}); there are {len(classes)} classes, "
            f"{_shown(classes)}\n{listed(rows)}"
        )
    return labels


def _shown(classes: Sequence[str]) -> str:
    return ", ".join(classes) if len(classes) <= 10 else f"{classes[0]} to {classes[-1]}"
