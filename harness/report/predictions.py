"""What each cell predicted, image by image: each file of the store is read once a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from harness.measure.per_image import loss_values
from harness.measure.predictions import SCORE, Predictions, read_predictions
from harness.measure.scores import log_softmax
from harness.report.gather import Entry
from harness.report.records import ReportStore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MOST_KEPT: Final = 256
"""Files whose content is kept for a second use: the first ones, which are those of the best variants."""


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Places in the source's split and true classes, int64 [N]; the same images are the same object."""

    index: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What one cell said of N images: classes int64 [N]; of scores that are logits more."""

    run_id: str
    seed: int
    classes: tuple[str, ...]
    images: Images
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64] | None
    """Probability of the predicted class [N]; None for margins."""
    losses: NDArray[np.float64] | None
    """Cross-entropy in nats [N]; None for margins."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image's class was found [N]."""
        return np.asarray(self.predicted == self.images.labels)


@dataclass(frozen=True, slots=True)
class PredictionFiles:
    """The prediction files of a store. A test set that was not opened for a cell has none."""

    store: ReportStore
    _kept: dict[tuple[str, str], Predicted | None] = field(default_factory=dict)
    _images: dict[bytes, Images] = field(default_factory=dict)

    def of(self, entry: Entry, split: str) -> Predicted | None:
        """Return what a cell said of a split ("test" or "val"), None where the store has nothing of it."""
        key = entry.planned.key, split
        if key in self._kept:
            return self._kept[key]
        path = self._path(entry, split)
        found = None if path is None else self._predicted(entry, split, read_predictions(path))
        if len(self._kept) < MOST_KEPT:
            self._kept[key] = found
        return found

    def size(self, entry: Entry, split: str) -> tuple[int, int] | None:
        """Return the numbers of images and of classes, from the file's head alone."""
        path = self._path(entry, split)
        if path is None:
            return None
        file = pq.ParquetFile(path)
        return file.metadata.num_rows, sum(name.startswith(SCORE) for name in file.schema_arrow.names)

    def _path(self, entry: Entry, split: str) -> Path | None:
        if entry.run is None or (split == "test" and entry.tag("test") != "opened"):
            return None
        return self.store.artifact(entry.run.run_id, f"predictions/{split}.parquet")

    def _predicted(self, entry: Entry, split: str, found: Predictions) -> Predicted:
        is_logit = any(entry.metric(f"{split}/{name}") is not None for name in ("loss", "ece"))
        logs = log_softmax(found.scores) if is_logit else None
        key = found.index.tobytes() + found.labels.tobytes()
        return Predicted(
            run_id=entry.run.run_id if entry.run is not None else "",
            seed=entry.seed,
            classes=found.classes,
            images=self._images.setdefault(key, Images(found.index, found.labels)),
            predicted=found.predicted,
            confidence=None if logs is None else np.exp(logs.max(axis=1)),
            losses=None if logs is None else loss_values(logs, found.labels),
        )
