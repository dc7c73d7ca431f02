"""Pictures of what a fitted classifier looks at, among the artifacts of a cell."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Classifier, Task
from harness.evaluation import Evaluation
from harness.measure.class_evidence import Seen, draw_evidence
from harness.measure.examples import Answers, Examples, answers_of
from harness.measure.feature_maps import draw_feature_maps
from harness.measure.galleries import draw_filters
from harness.measure.hog_pictures import Contributions, HogShape, draw_hog
from harness.train import NetworkClassifier
from harness.train.evidence import class_evidence, feature_maps
from harness.train.linear import LinearClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """A fitted classifier, and some images that it was right and wrong about."""

    classifier: Classifier
    task: Task
    answers: Answers


def write_inside(folder: Path, task: Task, classifier: Classifier, evaluation: Evaluation) -> None:
    """Write `filters.png`, `evidence.png`, `feature_maps.png`, `hog.png` into `folder`, those that apply.

    The images are of the given evaluation. A picture that cannot be drawn is left out with a warning:
    a user's own network may be made of anything, and no picture is worth a finished fit.
    """
    images = evaluation.images
    subject = Subject(
        classifier, task, answers_of(images.images, images.labels, evaluation.scores, classifier.probabilistic)
    )
    for name, draw in PICTURES.items():
        try:
            draw(subject, folder / name)
        except Exception as error:  # see above
            _LOG.warning("%s was left out: %s", name, error)


def first_filters(classifier: Classifier, task: Task) -> NDArray[np.float32] | None:
    """Return the weights [out, C, h, w] of a first layer that looks at pixels: a convolution's, or one a pixel."""
    height, width, channels = task.shape
    if isinstance(classifier, LinearClassifier):
        weights = classifier.state()["coef"]
        looks = weights.shape[1] == height * width * channels and _hog_shape(classifier) is None
        return weights.reshape(-1, *task.shape).transpose(0, 3, 1, 2).astype(np.float32) if looks else None
    first = next((value for value in classifier.state().values() if value.ndim in {2, 4}), None)
    if first is None:
        return None
    if first.ndim == 4:
        return first.astype(np.float32) if first.shape[1] == channels else None
    looks = first.shape[1] == height * width * channels
    return first.reshape(-1, channels, height, width).astype(np.float32) if looks else None


def _draw_filters(subject: Subject, path: Path) -> None:
    filters = first_filters(subject.classifier, subject.task)
    if filters is not None:
        draw_filters(filters, path)


def _draw_evidence(subject: Subject, path: Path) -> None:
    classifier, answers = subject.classifier, subject.answers
    right, wrong = answers.right, answers.wrong
    asked = ((right, right.predicted), (wrong, wrong.predicted), (wrong, wrong.true))
    if isinstance(classifier, NetworkClassifier):
        found = [class_evidence(classifier.network, subject.task, each.images, classes) for each, classes in asked]
        seen = Seen(found[0].source or found[1].source, *(each.values for each in found))
    elif isinstance(classifier, LinearClassifier) and first_filters(classifier, subject.task) is not None:
        maps = [_pixels_for(classifier, each, classes) for each, classes in asked]
        seen = Seen("weight times pixel, where it speaks for the class", *maps)
    else:
        return
    draw_evidence(answers, seen, subject.task.classes, path)


def _draw_feature_maps(subject: Subject, path: Path) -> None:
    examples = subject.answers.right if len(subject.answers.right) else subject.answers.wrong
    if not isinstance(subject.classifier, NetworkClassifier) or not len(examples):
        return
    maps = feature_maps(subject.classifier.network, subject.task, examples.images[:1])
    names = subject.task.classes
    said = f"{names[examples.true[0]]}, taken for {names[examples.predicted[0]]}"
    if maps:
        draw_feature_maps(examples.images[0], [(name, each[0]) for name, each in maps], said, path)


def _draw_hog(subject: Subject, path: Path) -> None:
    classifier, answers = subject.classifier, subject.answers
    shape = _hog_shape(classifier)
    if shape is None or not isinstance(classifier, LinearClassifier):
        return
    kinds = (answers.right, answers.wrong)
    added = Contributions(*(classifier.contributions(each.images, each.predicted) for each in kinds))
    draw_hog(answers, added, shape, subject.task.classes, path)


PICTURES: Final[dict[str, Callable[[Subject, Path], None]]] = {
    "filters.png": _draw_filters,
    "evidence.png": _draw_evidence,
    "feature_maps.png": _draw_feature_maps,
    "hog.png": _draw_hog,
}
"""Artifact -> how it is drawn, where it applies."""


def _pixels_for(classifier: LinearClassifier, examples: Examples, classes: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the positive part of what each pixel adds to the score of a class, [M, H, W]."""
    added = classifier.contributions(examples.images, classes).reshape(examples.images.shape)
    summed: NDArray[np.float64] = added.sum(axis=3)
    return np.maximum(summed, 0.0)


def _hog_shape(classifier: Classifier) -> HogShape | None:
    """Return the shape of the histograms that a linear classifier's features are, None if they are others."""
    options = classifier.feature_options() if isinstance(classifier, LinearClassifier) else {}
    values = [options.get(name) for name in ("orientations", "cell", "block")]
    orientations, cell, block = (value if isinstance(value, int) else 0 for value in values)
    return HogShape(orientations, cell, block) if orientations and cell and block else None
