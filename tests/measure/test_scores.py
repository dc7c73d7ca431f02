from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from harness.errors import TrainingError
from harness.measure.scores import evaluate, log_softmax

Case = tuple[NDArray[np.float32], NDArray[np.int64]]


def random_case(images: int, classes: int, seed: int, absent: int = 0) -> Case:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes - absent, images)
    scores = random.normal(0, 2, (images, classes)).astype(np.float32)
    scores[np.arange(images), labels] += 1.5
    return scores, labels


CASES = [random_case(500, 10, 0), random_case(7, 10, 1), random_case(300, 12, 2, absent=4), random_case(1, 2, 3)]


@pytest.mark.parametrize("case", CASES)
def test_accuracy_macro_f1_and_confusion_equal_scikit_learns(case: Case) -> None:
    scores, labels = case
    predicted = scores.argmax(axis=1)
    found = evaluate(scores, labels, probabilistic=True)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-15)
    expected = metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected, abs=1e-12)
    every = np.arange(scores.shape[1])
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predicted, labels=every))


@pytest.mark.parametrize("case", CASES)
def test_scores_of_each_class_equal_scikit_learns(case: Case) -> None:
    scores, labels = case
    found = evaluate(scores, labels, probabilistic=False).per_class
    expected = metrics.precision_recall_fscore_support(
        labels, scores.argmax(axis=1), labels=np.arange(scores.shape[1]), zero_division=0
    )
    for ours, theirs in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_loss_equals_scikit_learns_log_loss(case: Case) -> None:
    scores, labels = case
    probabilities = np.exp(log_softmax(scores))
    expected = metrics.log_loss(labels, probabilities, labels=np.arange(scores.shape[1]))
    assert evaluate(scores, labels, probabilistic=True).loss == pytest.approx(expected, rel=1e-9)


def test_the_loss_of_very_wrong_logits_is_exact_and_finite() -> None:
    scores = np.array([[0.0, 1000.0], [30.0, 0.0]], dtype=np.float32)
    loss = evaluate(scores, np.array([0, 0]), probabilistic=True).loss
    assert loss == pytest.approx((1000 + np.log1p(np.exp(-30.0))) / 2, rel=1e-14)


def test_margins_have_no_loss_and_no_calibration_error() -> None:
    scores, labels = CASES[0]
    found = evaluate(scores, labels, probabilistic=False)
    assert (found.loss, found.ece) == (None, None)


def test_the_first_of_equal_scores_wins() -> None:
    found = evaluate(np.zeros((3, 2), dtype=np.float32), np.array([0, 0, 1]), probabilistic=True)
    np.testing.assert_array_equal(found.confusion, [[2, 0], [1, 0]])


def test_scores_that_are_not_numbers_are_named_not_measured() -> None:
    scores = np.zeros((4, 3), dtype=np.float32)
    scores[2, 1] = np.nan
    with pytest.raises(TrainingError, match=r"1 of 4 images are not finite \(first: 2\)"):
        evaluate(scores, np.zeros(4, dtype=np.int64), probabilistic=True)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0], []])
def test_labels_that_do_not_fit_the_scores_are_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="labels"):
        evaluate(np.zeros((2, 3), dtype=np.float32), np.array(labels, dtype=np.int64), probabilistic=True)
