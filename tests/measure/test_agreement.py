from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from harness.measure.predictions import Predictions, agreement, changes, mean_agreement


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_kappa_is_the_one_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    one = random.integers(0, classes, 1000)
    other = np.where(random.random(1000) < 0.7, one, random.integers(0, classes, 1000))
    found = agreement(one, other, classes)
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    assert found.equal == pytest.approx((one == other).mean(), abs=1e-12)


def test_kappa_of_a_worked_example() -> None:
    # 50 grants read twice: 20 yes-yes, 15 no-no, 5 and 10 in dispute; kappa 0.4 (Wikipedia, "Cohen's kappa").
    one = np.array([1] * 25 + [0] * 25)
    other = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    assert agreement(one, other, 2).kappa == pytest.approx(0.4)


def test_two_that_say_one_and_the_same_class_have_no_kappa() -> None:
    same = np.zeros(5, dtype=np.int64)
    found = agreement(same, same, 3)
    assert found.equal == 1
    assert math.isnan(found.kappa)


def test_groups_are_compared_pair_by_pair_and_a_group_with_itself_without_twins() -> None:
    a, b, c = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1]), np.array([1, 0, 1, 0])
    between = mean_agreement([a, b], [c], 2)
    assert between is not None
    assert between.equal == pytest.approx((0 + 0.25) / 2)
    within = mean_agreement([a, b, c], None, 2)
    assert within is not None
    assert within.equal == pytest.approx((0.75 + 0 + 0.25) / 3)
    assert mean_agreement([a], None, 2) is None


def test_whole_groups_are_drawn_again_where_they_are_known() -> None:
    random = np.random.default_rng(0)
    labels, groups = np.zeros(200, dtype=np.int64), np.repeat(np.arange(20), 10)
    good = np.where(np.isin(groups, [0, 1, 2]), 1, 0)  # A has three whole groups wrong, B nothing
    said = [np.eye(2, dtype=np.float32)[each] for each in (good, labels)]
    named = groups.astype(str)
    known = changes(*(Predictions(("x", "y"), np.arange(200), labels, each, named) for each in said))
    alone = changes(*(Predictions(("x", "y"), np.arange(200), labels, each) for each in said))
    low, high = known.interval()
    drawn = [np.isin(random.integers(20, size=20), [0, 1, 2]).mean() for _ in range(4000)]
    assert [low, high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist(), abs=0.03)
    assert high - low > 2 * np.ptp(alone.interval())
    assert alone.p_value < 1e-6
    assert known.p_value > 0.01
