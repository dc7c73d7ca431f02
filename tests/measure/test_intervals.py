from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.measure.bootstrap import difference_intervals, draw_shares, resample
from harness.measure.crossed import Answers, components, errors_of_differences, p_values
from harness.measure.paired import share_interval, wilson
from tests.measure.simulated import Design, alike, coverage_of, draw

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
    errors = errors_of_differences(found, PAIR)
    assert found.accuracies[0] - found.accuracies[1] == pytest.approx(0.04)
    assert errors.standard[0] == pytest.approx(0.0095, abs=1e-4)
    drawn = resample(answers, found, draw_shares(found.count, draws=40_000))
    assert difference_intervals(PAIR, found, errors, drawn)[0] == pytest.approx([0.0214, 0.0586], abs=1e-3)


def test_with_one_seed_the_interval_is_that_of_scipys_paired_bootstrap() -> None:
    answers = draw(Design((0.9, 0.85), (1, 1), 2000, (0.0,) * 2), np.random.default_rng(3)).answers
    found = components(answers)
    errors = errors_of_differences(found, PAIR)
    ours = difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(found.count)))[0]
    gains = answers[0].right[0].astype(float) - answers[1].right[0]
    theirs = stats.bootstrap((gains,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.04 * (theirs.high - theirs.low))


def test_models_that_differ_on_no_image_are_not_certainly_equal() -> None:
    right = np.ones((1, 300), dtype=bool)
    answers = [Answers((0,), right), Answers((0,), right)]
    found = components(answers)
    errors = errors_of_differences(found, PAIR)
    low, high = difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(300)))[0]
    assert low < 0 < high
    assert p_values(np.zeros(1), errors).tolist() == [1.0]


def test_the_same_arguments_give_the_same_interval() -> None:
    answers = draw(Design((0.9, 0.85), (2, 2), 200, (0.01,) * 2), np.random.default_rng(3)).answers
    found = components(answers)
    errors = errors_of_differences(found, PAIR)
    ends = [difference_intervals(PAIR, found, errors, resample(answers, found, draw_shares(200))) for _ in range(2)]
    assert ends[0].tolist() == ends[1].tolist()


def test_with_groups_whole_groups_are_drawn() -> None:
    drawn = draw(replace(alike(2, 1, sd=0.0), groups=40), np.random.default_rng(5))
    assert drawn.groups is not None
    found = components(drawn.answers, drawn.groups)
    moves = resample(drawn.answers, found, draw_shares(40, draws=2000), drawn.groups).images
    assert moves.std(axis=1) ** 2 == pytest.approx(np.diag(found.images), rel=0.15)
    wrong = components(drawn.answers)
    assert (np.diag(found.images) > 3 * np.diag(wrong.images)).all()


@pytest.mark.parametrize(
    "design",
    [
        alike(3, 1, images=300, sd=0.0),
        alike(3, 3, images=300),
        alike(3, 5, images=300),
        Design((0.9,) * 3, (3,) * 3, 1000, (0.035, 0.0035, 0.0035), watched=(0,)),
        replace(alike(2, 3, images=1000), groups=40),
    ],
    ids=["one seed", "three seeds", "five seeds", "an unstable one among stable ones", "images in groups"],
)
def test_intervals_hold_the_truth_in_93_to_97_of_100_studies(design: Design) -> None:
    found = coverage_of(design, studies=300, draws=150)
    error = 1.5 * np.sqrt(0.05 * 0.95 / 300)
    assert 0.93 - error <= found.means <= 0.97 + error
    assert 0.93 - error <= found.differences <= 0.97 + error
    assert found.any_rejected <= 0.06 + error


def test_plain_percentiles_would_not_hold_it() -> None:
    few = coverage_of(alike(2, 2, images=1000, sd=0.02), studies=200, draws=200)
    assert few.plain < 0.85


def test_groups_that_are_not_known_make_intervals_far_too_short() -> None:
    design = replace(alike(2, 1, images=1000, sd=0.0), groups=20)
    assert coverage_of(design, studies=100, draws=100, use_groups=False).means < 0.8
