from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from baselines.hog_svm import HogSvm
from baselines.logistic import Logistic
from baselines.majority import Majority
from harness.contracts import ClassicalModel, LabeledImages, Task
from harness.errors import DataError

LINEAR = [Logistic(C=0.1, max_iter=1000), HogSvm(pixels_per_cell=4)]


class Silence:
    """A listener that notes nothing."""

    def epoch(self, epoch: int, metrics: object) -> None: ...

    def opening(self, model_digest: str) -> None: ...


@pytest.mark.parametrize("model", LINEAR, ids=["logistic", "hog_svm"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_linear_models_learn_stripes(model: ClassicalModel, classes: int) -> None:
    images = stripes(classes)
    classifier = model.build(task(classes), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    assert scores.shape == (len(images), classes)
    assert (scores.argmax(axis=1) == images.labels).mean() > 0.95


def test_of_two_classes_the_scores_are_opposite() -> None:
    images = stripes(2)
    classifier = LINEAR[1].build(task(2), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1], rtol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_softmax_of_logistic_scores_is_scikit_learns_probability(classes: int) -> None:
    images = stripes(classes)
    classifier = LINEAR[0].build(task(classes), 0)
    classifier.fit(images, None, Silence())
    scores = classifier.predict(images.images)
    pixels = ((images.images.astype(np.float32) / 255 - 0.5) / 0.25).reshape(len(images), -1)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit(pixels, images.labels)
    np.testing.assert_allclose(_softmax(scores), reference.predict_proba(pixels), atol=1e-5)


def test_a_class_that_training_lacks_scores_below_all_others_in_its_own_column() -> None:
    images = stripes(4)
    kept = images.labels != 2
    part = LabeledImages(images.images[kept], images.labels[kept], images.index[kept])
    classifier = LINEAR[0].build(task(4), 0)
    classifier.fit(part, None, Silence())
    scores = classifier.predict(images.images)
    assert (scores.argmin(axis=1) == 2).all()
    assert (scores[kept].argmax(axis=1) == part.labels).mean() > 0.95


@pytest.mark.parametrize("model", LINEAR, ids=["logistic", "hog_svm"])
def test_training_images_of_one_class_are_refused(model: ClassicalModel) -> None:
    images = stripes(3)
    kept = images.labels == 1
    part = LabeledImages(images.images[kept], images.labels[kept], images.index[kept])
    with pytest.raises(DataError, match="all of one class"):
        model.build(task(3), 0).fit(part, None, Silence())


@pytest.mark.parametrize(
    "model", [Logistic(C=1e6, max_iter=2), HogSvm(pixels_per_cell=4, C=1e4, max_iter=1)], ids=["logistic", "hog_svm"]
)
def test_stopping_before_convergence_is_told_and_no_failure(
    model: ClassicalModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        model.build(task(5), 0).fit(stripes(5), None, Silence())
    assert "before it converged" in caplog.text
    assert "model.max_iter" in caplog.text


def test_prediction_of_no_images_has_a_column_for_each_class() -> None:
    images = stripes(3)
    classifier = LINEAR[0].build(task(3), 0)
    classifier.fit(images, None, Silence())
    assert classifier.predict(images.images[:0]).shape == (0, 3)


def test_majority_predicts_the_most_frequent_class_with_its_frequency() -> None:
    images = stripes(3)
    labels = np.where(images.labels == 0, 2, images.labels)
    classifier = Majority().build(task(3), 0)
    classifier.fit(LabeledImages(images.images, labels, images.index), None, Silence())
    scores = classifier.predict(images.images[:4])
    assert (scores.argmax(axis=1) == 2).all()
    np.testing.assert_allclose(np.exp(scores[:, 1]), (labels == 1).mean(), rtol=0.02)


def task(classes: int) -> Task:
    return Task(tuple("abcdef"[:classes]), (8, 8, 1), (0.5,), (0.25,))


def stripes(classes: int) -> LabeledImages:
    """Return 20 noisy images a class, whose gray rises in the class's own direction."""
    random = np.random.default_rng(1)
    labels = np.arange(20 * classes, dtype=np.int64) % classes
    rows, columns = np.indices((8, 8)) - 3.5
    angle = np.pi * labels[:, None, None] / classes
    ramp = 128 + 15 * (np.cos(angle) * rows + np.sin(angle) * columns)
    noisy = ramp + random.normal(0, 5, (len(labels), 8, 8))
    return LabeledImages(noisy.clip(0, 255).astype(np.uint8)[..., None], labels, np.arange(len(labels)))


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares
