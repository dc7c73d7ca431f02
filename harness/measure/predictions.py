"""What a run predicted of a split, read from its `predictions/SPLIT.parquet`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SCORE: Final = "score_"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Position in the source's split and true class of each image, int64 [N]; scores float32 [N, K]; K class names."""

    classes: tuple[str, ...]
    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the largest score [N], the first of equals."""
        return np.asarray(self.scores.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image's class was found [N]."""
        return np.asarray(self.predicted == self.labels)


def read_predictions(path: Path) -> Predictions:
    """Return the predictions in the order in which they were written."""
    table = pq.read_table(path)
    names = [name for name in table.column_names if name.startswith(SCORE)]
    scores = np.stack([table.column(name).to_numpy() for name in names], axis=1).astype(np.float32)
    classes = tuple(name.removeprefix(SCORE) for name in names)
    return Predictions(classes, table.column("index").to_numpy(), table.column("label").to_numpy(), scores)
