from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import Answers, components, errors_of_differences, p_values, seed_spread
from harness.measure.paired import share_interval, wilson
from tests.measure.simulated import Design, answers_of, coverage_of

PAIR = np.array([[0, 1]])


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_equals_newcombes_examples(right: int, count: int, low: float, high: float) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_wilsons_interval_equals_scipys() -> None:
    expected = stats.binomtest(8452, 10_000).proportion_ci(method="wilson")
    assert wilson(0.8452, 10_000) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_with_one_seed_the_interval_of_an_accuracy_is_wilsons() -> None:
    error = np.sqrt(0.9 * 0.1 / 500)
    assert share_interval(0.9, error, 500, 1.959963984540054) == pytest.approx(wilson(0.9, 500))
    assert share_interval(1.0, 0.0, 500, 1.959963984540054) == pytest.approx(wilson(1.0, 500))


def approval() -> list[Answers]:
    """Agresti 2002, table 10.1: 794 approve both times, 150 and 86 once, 570 never."""
    first = np.repeat([True, True, False, False], [794, 150, 86, 570])
    second = np.repeat([True, False, True, False], [794, 150, 86, 570])
    return [Answers((0,), first[None]), Answers((0,), second[None])]


def test_the_paired_difference_of_the_approval_ratings_has_its_published_interval() -> None:
    # Section 10.1.1: the difference is 0.04 with standard error 0.0095 and 95 % interval 0.02 to 0.06.
    answers = approval()
    found = components(answers)
    errors = errors_of_differences(found, seed_spread(found), PAIR)
    assert found.accuracies[0] - found.accuracies[1] == pytest.approx(0.04)
    assert errors.standard[0] == pytest.approx(0.0095, abs=1e-4)
    drawn = resample(answers, found, draw_shares(found.count, draws=40_000))
    assert difference_intervals(PAIR, found, errors, drawn)[0] == pytest.approx([0.0214, 0.0586], abs=1e-3)


def test_with_one_seed_the_interval_is_that_of_scipys_paired_bootstrap() -> None:
    answers = answers_of(Design((0.9, 0.85), (1, 1), 2000, 0.0), np.random.default_rng(3))
    found = components(answers)
    errors = errors_of_differences(found, seed_spread(found), PAIR)
    ours = difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(found.count)))[0]
    gains = answers[0].right[0].astype(float) - answers[1].right[0]
    theirs = stats.bootstrap((gains,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.04 * (theirs.high - theirs.low))


def test_models_that_differ_on_no_image_are_not_certainly_equal() -> None:
    right = np.ones((1, 300), dtype=bool)
    answers = [Answers((0,), right), Answers((0,), right)]
    found = components(answers)
    errors = errors_of_differences(found, seed_spread(found), PAIR)
    low, high = difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(300)))[0]
    assert low < 0 < high
    assert p_values(np.zeros(1), errors).tolist() == [1.0]


def test_the_same_arguments_give_the_same_interval() -> None:
    answers = answers_of(Design((0.9, 0.85), (2, 2), 200, 0.05), np.random.default_rng(3))
    found = components(answers)
    errors = errors_of_differences(found, seed_spread(found), PAIR)
    ends = [difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(200))) for _ in range(2)]
    assert ends[0].tolist() == ends[1].tolist()


@pytest.mark.parametrize(("seeds", "seed_shift"), [(1, 0.0), (2, 0.02), (3, 0.05), (5, 0.1)])
def test_intervals_hold_the_truth_in_93_to_97_of_100_studies(seeds: int, seed_shift: float) -> None:
    design = Design((0.9, 0.87, 0.92, 0.9), (seeds,) * 4, 300, seed_shift)
    found = coverage_of(design, studies=300, draws=300)
    assert 0.93 <= found.means <= 0.97
    assert 0.93 <= found.differences <= 0.97


def test_plain_percentiles_would_not_hold_it() -> None:
    few = coverage_of(Design((0.9, 0.87), (2, 2), 1500, 0.1), studies=200, draws=300)
    assert few.plain < 0.85


def test_equal_models_are_told_apart_no_more_often_than_the_level_says() -> None:
    found = coverage_of(Design((0.9,) * 4, (3,) * 4, 400, 0.05), studies=200, draws=20)
    assert 0.02 <= found.rejected <= 0.07
