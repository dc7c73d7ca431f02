"""Predictions and thumbnails for the finished runs of a kept store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harness.contracts import LabeledImages, PlannedCell
from harness.pictures.thumbnails import write_thumbnails
from tests.report.studies import CLASSES, KeptStore, Run


def images_of(labels: Sequence[int], side: int = 4) -> LabeledImages:
    """Return gray images, each of one shade; the index of row i in the split is 100 + i."""
    count = len(labels)
    shades = np.arange(count, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(shades, (count, side, side, 1)).copy()
    return LabeledImages(images, np.array(labels, dtype=np.int64), np.arange(count) + 100)


def scores_of(said: Sequence[int], sure: float = 4.0, classes: int = len(CLASSES)) -> NDArray[np.float32]:
    """Return logits [N, K] that say these classes, later images with more confidence; the others are equal."""
    scores = np.zeros((len(said), classes), dtype=np.float32)
    scores[np.arange(len(said)), said] = sure + 0.01 * np.arange(len(said))
    return scores


def predict(
    store: KeptStore,
    planned: PlannedCell,
    labels: Sequence[int],
    said: Sequence[int],
    *,
    thumbnails: bool = True,
    split: str = "test",
    side: int = 4,
    classes: Sequence[str] = CLASSES,
    groups: Sequence[int] = (),
) -> Run:
    """Finish a cell with predictions of these classes; with `thumbnails` its errors are on a sheet."""
    accuracy = float(np.mean(np.equal(labels, said)))
    run = store.finish(planned, accuracy if split == "test" else None, accuracy)
    images, scores = images_of(labels, side), scores_of(said, classes=len(classes))
    folder = store.folder / run.run_id
    (folder / "predictions").mkdir()
    columns: dict[str, NDArray[np.generic]] = {"index": images.index, "label": images.labels}
    columns |= {f"score_{name}": scores[:, place] for place, name in enumerate(classes)}
    columns |= {"group": np.array(list(map(str, groups)))} if groups else {}
    pq.write_table(pa.table(columns), folder / "predictions" / f"{split}.parquet")
    if thumbnails:
        write_thumbnails(folder / "errors", split, images, scores, classes, probabilistic=True)
    return run
