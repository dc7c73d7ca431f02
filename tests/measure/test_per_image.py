from __future__ import annotations

import numpy as np
import pytest

from harness.measure.scores import calibration_values, evaluate, log_softmax, loss_values, macro_f1_values


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
