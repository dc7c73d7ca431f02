"""The files that a finished cell leaves: predictions, tables, pictures, the model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.cell.evaluate import Evaluation
from harness.cell.inside import write_inside
from harness.charts.matrices import confusion
from harness.charts.style import sheet_png
from harness.charts.training import learning_curves
from harness.contracts import Classifier, FitReport, LabeledImages, Task
from harness.contracts.running import LAYERS, LAYERS_FILE
from harness.measure import machine as energy
from harness.measure.predictions import GROUP, write_class_report, write_confusion
from harness.pictures.gallery import errors
from harness.pictures.thumbnails import write_thumbnails
from harness.train import NetworkClassifier, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS: Final = {"val": "validation", "test": "test"}


def write_artifacts(
    folder: Path,
    task: Task,
    classifier: Classifier,
    report: FitReport,
    evaluations: Sequence[Evaluation],
    *,
    light: bool = False,
    names: Callable[[str], Sequence[str]] = lambda _: (),
) -> Path:
    """Write all artifacts into `folder`/artifacts and return it; `folder`/fitted holds the model.

    Confusion, errors and report.json are of the (first) test split where it was opened, else of validation.
    Where it is to be `light`, as for the many trials of a search, there is no model and no picture among them.
    `names` returns what people call the images of a source's split ("train" or "test"), by their index.
    """
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir()
    if (folder / "fitted" / energy.FILE).exists():
        shutil.copy(folder / "fitted" / energy.FILE, artifacts / energy.FILE)
    shutil.copy(folder / "fitted" / "cell.yaml", artifacts / "cell.yaml")
    for evaluation in evaluations:
        predictions = artifacts / "predictions"
        _write_predictions(predictions / f"{evaluation.split}.parquet", evaluation.images, evaluation.scores, task)
        if evaluation.scores_tta is not None:
            path = predictions / f"{evaluation.split}_tta.parquet"
            _write_predictions(path, evaluation.images, evaluation.scores_tta, task)
    shown = next((each for each in evaluations if each.split == "test"), evaluations[-1] if evaluations else None)
    if shown is not None:
        _write_evaluation(artifacts, shown, task)
    if light:
        return artifacts
    if isinstance(classifier, NetworkClassifier):
        (artifacts / LAYERS_FILE).write_bytes(LAYERS.dump_json(trace(classifier.network, task.shape).layers, indent=1))
    shutil.copytree(folder / "fitted", artifacts / "model", ignore=shutil.ignore_patterns(energy.FILE))
    drawn = [learning_curves("", metric, {0: report.history}) for metric in ("loss", "accuracy")]
    if curves := [chart for chart in drawn if chart is not None]:
        (artifacts / "curves.png").write_bytes(sheet_png(curves))
    if shown is not None:
        _draw_evaluation(artifacts, shown, task, classifier.probabilistic, names)
        write_inside(artifacts, task, classifier, shown)
    return artifacts


def _write_predictions(path: Path, images: LabeledImages, scores: NDArray[np.float32], task: Task) -> None:
    """One row an image: its index in the source's split, its label, its group where it has one, one score a class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, NDArray[np.generic]] = {"index": images.index, "label": images.labels}
    columns |= {} if images.groups is None else {GROUP: images.groups}
    columns |= {f"score_{name}": scores[:, i] for i, name in enumerate(task.classes)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_evaluation(artifacts: Path, evaluation: Evaluation, task: Task) -> None:
    write_confusion(evaluation.figures.confusion, task.classes, artifacts / "confusion.csv")
    write_class_report(evaluation.figures, task.classes, artifacts / "report.json")


def _draw_evaluation(
    artifacts: Path, evaluation: Evaluation, task: Task, probabilistic: bool, names: Callable[[str], Sequence[str]]
) -> None:
    images, labels, scores = evaluation.images, evaluation.images.labels, evaluation.scores
    chart = confusion("", SPLITS[evaluation.split], evaluation.figures.confusion, task.classes)
    (artifacts / "confusion.png").write_bytes(chart.png())
    wrong = errors(images.images, labels, scores, task.classes, probabilistic=probabilistic)
    (artifacts / "errors.png").write_bytes(wrong)
    write_thumbnails(
        artifacts / "errors",
        evaluation.split,
        images,
        scores,
        task.classes,
        probabilistic=probabilistic,
        names=names("test" if evaluation.split == "test" else "train"),
    )
