"""Evidence laid over images."""

from __future__ import annotations

import numpy as np
import pytest

from harness.pictures.inside import Seen, evidence, overlay
from harness.pictures.thumbnails import answers_of

RANDOM = np.random.default_rng(0)
CLASSES = ("cat", "dog", "owl")
LABELS = np.arange(60) % 3
IMAGES = RANDOM.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


def scores(wrong: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return logits that are right but for the first `wrong` images."""
    said = np.where(np.arange(60) < wrong, (LABELS + 1) % 3, LABELS)
    return np.eye(3)[said] * (1 + np.arange(60))[:, None] / 30


def test_an_overlay_is_gray_without_evidence_and_colored_with_it() -> None:
    image = IMAGES[0]
    none = overlay(image, np.zeros((4, 4)))
    np.testing.assert_allclose(none, (image / 255).mean(axis=2, keepdims=True) * np.ones(3), atol=1e-12)
    corner = np.zeros((4, 4))
    corner[0, 0] = 7.0
    colored = overlay(image, corner)
    assert np.ptp(colored[0, 0]) > 0.2
    np.testing.assert_allclose(colored[-1, -1], none[-1, -1])


@pytest.mark.parametrize("wrong", [0, 3, 60])
def test_evidence_is_drawn_whatever_the_answers(wrong: int) -> None:
    answers = answers_of(IMAGES, LABELS, scores(wrong))
    right, missed = np.ones((len(answers.right), 4, 4)), np.zeros((len(answers.wrong), 4, 4))
    assert len(evidence(answers, Seen("by hand", right, missed, missed), CLASSES)) > 3000
