from __future__ import annotations

import numpy as np
import pytest

from harness.measure.scores import evaluate, expected_calibration_error, reliability


def test_calibration_error_equals_the_one_computed_by_hand() -> None:
    # Bin (12/15, 13/15]: 0.81 right, 0.85 wrong: |1/2 - 0.83| = 0.33.
    # Bin (14/15, 1]: 0.95 and 0.99 right: |1 - 0.97| = 0.03.
    # Bin (6/15, 7/15]: 0.45 wrong: |0 - 0.45| = 0.45. Sum: (2 * 0.33 + 2 * 0.03 + 1 * 0.45) / 5 = 0.234.
    confidence = np.array([0.81, 0.85, 0.95, 0.99, 0.45])
    correct = np.array([True, False, True, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.234, abs=1e-12)


def test_an_upper_edge_belongs_to_its_bin() -> None:
    found = reliability(np.array([0.5, 0.51, 1.0]), np.array([True, True, False]), bins=2)
    np.testing.assert_array_equal(found.count, [1, 2])
    np.testing.assert_allclose(found.accuracy, [1, 0.5])


def test_always_sure_and_always_right_is_calibrated() -> None:
    scores = np.eye(4, dtype=np.float32) * 100
    assert evaluate(scores, np.arange(4), probabilistic=True).ece == pytest.approx(0, abs=1e-12)


def test_always_sure_and_half_right_is_off_by_a_half() -> None:
    scores = np.eye(4, dtype=np.float32) * 100
    assert evaluate(scores, np.array([0, 1, 0, 0]), probabilistic=True).ece == pytest.approx(0.5, abs=1e-12)
