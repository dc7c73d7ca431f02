"""A fitted classifier on a split: scores, figures, and the metrics that MLflow gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.contracts import Cell, Classifier, FitReport, LabeledImages, Task
from harness.measure.scores import Scores, evaluate
from harness.train import NetworkClassifier
from harness.train.trace import flops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a classifier says of a split ("val" or "test"), and how good it is.

    `scores` float32 [N, K]; `accuracy_tta` where the recipe asks for test-time augmentation.
    """

    split: str
    images: LabeledImages
    scores: NDArray[np.float32]
    figures: Scores
    accuracy_tta: float | None = None


def evaluate_on(split: str, classifier: Classifier, images: LabeledImages, cell: Cell) -> Evaluation:
    """Predict a split and measure it; the plain figure and, where asked, the one with TTA."""
    scores = classifier.predict(images.images)
    figures = evaluate(scores, images.labels, classifier.probabilistic)
    accuracy_tta = None
    if isinstance(classifier, NetworkClassifier) and cell.recipe is not None and cell.recipe.tta != "none":
        augmented = classifier.predict_tta(images.images)
        accuracy_tta = evaluate(augmented, images.labels, classifier.probabilistic).accuracy
    return Evaluation(split, images, scores, figures, accuracy_tta)


def final_metrics(
    classifier: Classifier, task: Task, report: FitReport, evaluations: list[Evaluation], total_seconds: float
) -> dict[str, float]:
    """Return the final metrics by MLflow name; what does not apply is left out, never zero."""
    metrics: dict[str, float | None] = {
        "model/parameters": classifier.parameter_count(),
        "time/train_seconds": report.train_seconds,
        "time/total_seconds": total_seconds,
        "memory/peak_bytes": report.peak_bytes,
        "best_epoch": report.best_epoch,
    }
    if isinstance(classifier, NetworkClassifier):
        metrics["model/flops"] = flops(classifier.network, task.shape)
    for evaluation in evaluations:
        metrics |= _split_metrics(evaluation)
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _split_metrics(evaluation: Evaluation) -> dict[str, float | None]:
    split, figures = evaluation.split, evaluation.figures
    return {
        f"{split}/accuracy": figures.accuracy,
        f"{split}/macro_f1": figures.macro_f1,
        f"{split}/loss": figures.loss,
        f"{split}/ece": figures.ece,
        f"{split}/accuracy_tta": evaluation.accuracy_tta,
    }
