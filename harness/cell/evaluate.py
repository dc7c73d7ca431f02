"""A fitted classifier on a split: scores, figures, and the metrics that MLflow gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Cell, Classifier, FitReport, LabeledImages, PartlyFitted, Task
from harness.contracts.metrics import (
    BEST_EPOCH,
    FLOPS,
    JOULES,
    PARAMETERS,
    PEAK_BYTES,
    PLAIN_TRAIN_ACCURACY,
    TOTAL_PARAMETERS,
    TOTAL_SECONDS,
    TRAIN_SECONDS,
)
from harness.errors import TrainingError
from harness.measure import machine as energy
from harness.measure.scores import Scores, evaluate
from harness.train import NetworkClassifier
from harness.train.trace import trace

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


PLAIN_TRAINING_IMAGES: Final = 2000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a classifier says of a split ("val" or "test"), and how good it is.

    `scores` float32 [N, K]; `scores_tta` alike, where the recipe asks for test-time augmentation.
    """

    split: str
    images: LabeledImages
    scores: NDArray[np.float32]
    figures: Scores
    scores_tta: NDArray[np.float32] | None = None
    accuracy_tta: float | None = None


def evaluate_on(split: str, classifier: Classifier, images: LabeledImages, cell: Cell, classes: int) -> Evaluation:
    """Predict a split and measure it; the plain figure and, where asked, the one with TTA.

    Raises:
        TrainingError: the classifier does not give a score for each image and class.
    """
    scores = _scores(classifier, images, cell, classes)
    figures = evaluate(scores, images.labels, classifier.probabilistic, images.groups)
    scores_tta = accuracy_tta = None
    if isinstance(classifier, NetworkClassifier) and cell.recipe is not None and cell.recipe.tta != "none":
        scores_tta = classifier.predict_tta(images.images)
        accuracy_tta = evaluate(scores_tta, images.labels, classifier.probabilistic).accuracy
    return Evaluation(split, images, scores, figures, scores_tta, accuracy_tta)


def _scores(classifier: Classifier, images: LabeledImages, cell: Cell, classes: int) -> NDArray[np.float32]:
    """Return what a classifier predicts, float32 [N, K], once it is seen to be that."""
    scores = np.asarray(classifier.predict(images.images))
    if scores.shape != (len(images), classes):
        wanted = f"{[len(images), classes]}, one for each image and class"
        raise TrainingError(
            f"{cell.model.name}: predict gives scores of shape {list(scores.shape)} instead of {wanted}"
        )
    return scores


def final_metrics(
    classifier: Classifier, task: Task, report: FitReport, evaluations: list[Evaluation], total_seconds: float
) -> dict[str, float]:
    """Return the final metrics by MLflow name; what does not apply is left out, never zero."""
    metrics: dict[str, float | None] = {
        PARAMETERS: classifier.parameter_count(),
        TRAIN_SECONDS: report.train_seconds,
        TOTAL_SECONDS: total_seconds,
        PEAK_BYTES: report.peak_bytes,
        BEST_EPOCH: report.best_epoch,
    }
    if isinstance(classifier, NetworkClassifier):
        metrics[FLOPS] = trace(classifier.network, task.shape).flops
    if isinstance(classifier, PartlyFitted):
        total = classifier.total_parameter_count()
        metrics[TOTAL_PARAMETERS] = None if total == metrics[PARAMETERS] else total
    for evaluation in evaluations:
        metrics |= _split_metrics(evaluation)
    return {name: float(value) for name, value in metrics.items() if value is not None}


def beside_metrics(classifier: Classifier, fitted_on: LabeledImages, artifacts: Path) -> dict[str, float]:
    """Return what tells of the fit itself: accuracy on training images as they are, energy where it was counted.

    An epoch's train/accuracy is of augmented images and of weights on the move; this one is of the kept model,
    on at most 2,000 images in even steps, so that it can be held against validation.
    """
    rows = np.linspace(0, len(fitted_on) - 1, min(len(fitted_on), PLAIN_TRAINING_IMAGES)).astype(np.int64)
    scores = classifier.predict(fitted_on.images[rows])
    metrics = {PLAIN_TRAIN_ACCURACY: float((scores.argmax(axis=1) == fitted_on.labels[rows]).mean())}
    counted = artifacts / energy.FILE
    joules = energy.read_energy(counted).total if counted.exists() else None
    return metrics if joules is None else metrics | {JOULES: joules}


def _split_metrics(evaluation: Evaluation) -> dict[str, float | None]:
    figures = {**evaluation.figures.metrics, "accuracy_tta": evaluation.accuracy_tta}
    return {f"{evaluation.split}/{name}": value for name, value in figures.items()}
