"""The files that a finished cell leaves: predictions, tables, pictures, the model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.contracts import Classifier, FitReport, Task
from harness.evaluation import Evaluation
from harness.measure.pictures import draw_confusion, draw_curves, draw_errors, draw_filters
from harness.measure.tables import write_class_report, write_confusion

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_artifacts(
    folder: Path, task: Task, classifier: Classifier, report: FitReport, evaluations: Sequence[Evaluation]
) -> Path:
    """Write all artifacts into `folder`/artifacts and return it; `folder`/fitted holds the model.

    Confusion, errors and report.json are of the test split where it was opened, else of validation.
    """
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    shutil.copytree(folder / "fitted", artifacts / "model")
    shutil.copy(folder / "fitted" / "cell.yaml", artifacts / "cell.yaml")
    for evaluation in evaluations:
        _write_predictions(artifacts / "predictions" / f"{evaluation.split}.parquet", evaluation, task)
    if report.history:
        draw_curves(report.history, artifacts / "curves.png")
    filters = _first_filters(classifier)
    if filters is not None:
        draw_filters(filters, artifacts / "filters.png")
    if evaluations:
        _write_evaluation(artifacts, evaluations[-1], task, classifier.probabilistic)
    return artifacts


def _write_predictions(path: Path, evaluation: Evaluation, task: Task) -> None:
    """One row an image: its index in the source's split, its label, one score a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, NDArray[np.generic]] = {"index": evaluation.images.index, "label": evaluation.images.labels}
    columns |= {f"score_{name}": evaluation.scores[:, i] for i, name in enumerate(task.classes)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_evaluation(artifacts: Path, evaluation: Evaluation, task: Task, probabilistic: bool) -> None:
    figures, images, errors = evaluation.figures, evaluation.images, artifacts / "errors.png"
    write_confusion(figures.confusion, task.classes, artifacts / "confusion.csv")
    write_class_report(figures, task.classes, artifacts / "report.json")
    draw_confusion(figures.confusion, task.classes, artifacts / "confusion.png")
    draw_errors(images.images, images.labels, evaluation.scores, task.classes, errors, probabilistic=probabilistic)


def _first_filters(classifier: Classifier) -> NDArray[np.floating] | None:
    """Return the first convolution's weights [out, in, h, w] if it looks at pixels, else None."""
    for value in classifier.state().values():
        if value.ndim == 4 and value.shape[1] in (1, 3):
            return value.astype(np.float32)
    return None
