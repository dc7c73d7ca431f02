from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from harness.measure.scores import (
    calibration_values,
    evaluate,
    guesses,
    image_values,
    log_softmax,
    loss_values,
    macro_f1_values,
)


def scored(count: int = 800) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(4, size=count)
    scores = random.normal(0, 1, (count, 5)).astype(np.float32)
    scores[np.arange(count), labels] += 1.5
    return scores, labels


def test_means_over_images_are_the_figures_that_a_cell_reports() -> None:
    scores, labels = scored()
    figures = evaluate(scores, labels, probabilistic=True)
    predicted = scores.argmax(axis=1)
    logs = log_softmax(scores)
    assert loss_values(logs, labels).mean() == pytest.approx(figures.loss)
    assert macro_f1_values(predicted, labels, 5).mean() == pytest.approx(figures.macro_f1)
    assert calibration_values(np.exp(logs.max(axis=1)), predicted == labels).mean() == pytest.approx(figures.ece)


def test_the_spread_of_macro_f1s_values_is_its_spread_over_drawn_images() -> None:
    scores, labels = scored()
    predicted, random = scores.argmax(axis=1), np.random.default_rng(1)
    drawn = (random.integers(len(labels), size=len(labels)) for _ in range(600))
    figures = [evaluate(scores[rows], labels[rows], probabilistic=False).macro_f1 for rows in drawn]
    values = macro_f1_values(predicted, labels, 5)
    assert np.std(values) / np.sqrt(len(values)) == pytest.approx(np.std(figures), rel=0.1)


FIGURES = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "worst_class": lambda labels, said: metrics.recall_score(
        labels, said, average=None, labels=np.unique(labels)
    ).min(),
}
"""scikit-learn's, of true and predicted classes."""


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_predicted_classes_equal_scikit_learns(name: str) -> None:
    scores, labels = scored()
    scores = scores[:, :4]  # scikit-learn warns of predicted classes that no image has
    values = image_values(scores, labels, probabilistic=False)[name]
    assert values.mean() == pytest.approx(FIGURES[name](labels, scores.argmax(axis=1)), abs=1e-12)


@pytest.mark.parametrize("classes", [3, 6, 10])
def test_top_k_accuracy_equals_scikit_learns(classes: int) -> None:
    random = np.random.default_rng(classes)
    labels, scores = random.integers(classes, size=300), random.normal(size=(300, classes))
    expected = metrics.top_k_accuracy_score(labels, scores, k=guesses(classes), labels=np.arange(classes))
    assert evaluate(scores, labels, probabilistic=True).others["top_k"] == pytest.approx(expected, abs=1e-12)


def test_auc_equals_scikit_learns_of_probabilities_and_of_margins_with_ties() -> None:
    scores, labels = scored()
    occurring = scores[:, :4]  # scikit-learn wants each class to occur
    shares = np.exp(log_softmax(occurring))
    expected = metrics.roc_auc_score(labels, shares, multi_class="ovr")
    assert evaluate(occurring, labels, probabilistic=True).others["auc"] == pytest.approx(expected, abs=1e-9)
    coarse = occurring.round()
    each = [metrics.roc_auc_score(labels == k, coarse[:, k]) for k in range(4)]
    assert evaluate(coarse, labels, probabilistic=False).others["auc"] == pytest.approx(np.mean(each), abs=1e-12)


def test_the_worst_group_is_the_one_with_the_lowest_accuracy() -> None:
    scores, labels = scored()
    groups = np.array(["north", "south", "west"])[np.arange(len(labels)) % 3]
    right = scores.argmax(axis=1) == labels
    found = evaluate(scores, labels, probabilistic=True, groups=groups).others["worst_group"]
    assert found == pytest.approx(min(right[groups == each].mean() for each in np.unique(groups)), abs=1e-12)
    assert "worst_group" not in evaluate(scores, labels, probabilistic=True).others
    assert "worst_group" not in evaluate(scores, labels, probabilistic=True, groups=groups[:1].repeat(800)).others


def test_what_a_classifier_without_probabilities_or_a_split_of_one_class_cannot_have_is_left_out() -> None:
    scores, labels = scored()
    assert {"loss", "ece"} & image_values(scores, labels, probabilistic=False).keys() == set()
    assert "auc" not in image_values(scores[:5], np.zeros(5, dtype=np.int64), probabilistic=True)
    assert "top_k" not in image_values(scores[:, :2], labels % 2, probabilistic=True)


@pytest.mark.parametrize("name", ["balanced_accuracy", "auc", "worst_class", "top_k", "loss"])
def test_the_spread_of_a_figures_values_is_its_spread_over_drawn_images(name: str) -> None:
    scores, labels = scored()
    kept = (labels > 0) | (np.arange(len(labels)) % 4 == 0)  # a rare class, which is the worst one too
    scores, labels = scores[kept], labels[kept]
    scores[labels == 0, 0] -= 1
    random = np.random.default_rng(1)
    drawn = (random.integers(len(labels), size=len(labels)) for _ in range(400))
    figures = [image_values(scores[rows], labels[rows], probabilistic=True)[name].mean() for rows in drawn]
    values = image_values(scores, labels, probabilistic=True)[name]
    assert np.std(values) / np.sqrt(len(values)) == pytest.approx(np.std(figures), rel=0.12)


def test_the_error_of_auc_is_delongs() -> None:
    random = np.random.default_rng(4)
    labels = (random.random(60) < 0.3).astype(np.int64)
    scores = np.stack([np.zeros(60), random.normal(size=60) + labels], axis=1)
    scores[:, 0] = -scores[:, 1]
    wins = scores[labels == 1, 1][:, None] > scores[labels == 0, 1][None, :]
    expected = wins.mean(axis=1).var() / (labels == 1).sum() + wins.mean(axis=0).var() / (labels == 0).sum()
    values = image_values(scores, labels, probabilistic=False)["auc"]
    assert values.var() / len(values) == pytest.approx(expected, rel=1e-9)
