from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.measure.crossed import Answers, Errors, apart, components, critical, errors_of_means, p_values, seed_spread
from tests.measure.simulated import Design, answers_of


def test_components_are_the_mean_squares_of_a_two_way_table() -> None:
    right = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 0], [1, 1, 0, 0, 1]], dtype=bool)
    found = components([Answers((0, 1, 2), right)])
    seeds, images = right.shape
    mean, rows, columns = right.mean(), right.mean(axis=1), right.mean(axis=0)
    between_seeds = images * ((rows - mean) ** 2).sum() / (seeds - 1)
    between_images = seeds * ((columns - mean) ** 2).sum() / (images - 1)
    rest = ((right - rows[:, None] - columns + mean) ** 2).sum() / (seeds - 1) / (images - 1)
    assert found.seeds[0] == pytest.approx(between_seeds / (seeds * images))
    assert found.images[0, 0] == pytest.approx(between_images / (seeds * images))
    assert found.noise[0, 0] == pytest.approx(rest / (seeds * images), rel=1e-6)


def test_models_with_other_seeds_share_no_noise() -> None:
    first, second = answers_of(Design((0.9, 0.9), (2, 2), 50, 0.0), np.random.default_rng(0))
    moved = Answers((5, 6), second.right)
    assert components([first, second]).noise[0, 1] != 0
    assert components([first, moved]).noise[0, 1] == 0


def test_without_a_seeds_own_shift_the_factor_is_near_one() -> None:
    answers = answers_of(Design((0.9,) * 8, (6,) * 8, 500, 0.0), np.random.default_rng(4))
    spread = seed_spread(components(answers))
    assert spread.factor == pytest.approx(1, abs=0.5)
    assert spread.df.tolist() == [40.0] * 8


def test_a_model_whose_seeds_spread_far_more_keeps_its_own_factor() -> None:
    random = np.random.default_rng(2)
    calm = answers_of(Design((0.9,) * 5, (5,) * 5, 500, 0.0), random)
    wild = answers_of(Design((0.9,), (5,), 500, 1.0), random)
    spread = seed_spread(components([*calm, *wild]))
    assert spread.factor[-1] > 5 * spread.factor[0]
    assert spread.df.tolist() == [20.0] * 5 + [4.0]


def test_one_fitted_model_has_no_seeds_variance() -> None:
    answers = answers_of(Design((0.9,), (1,), 500, 0.0), np.random.default_rng(0))
    found = components(answers)
    errors = errors_of_means(found, seed_spread(found))
    share = found.accuracies[0]
    assert errors.standard[0] == pytest.approx(np.sqrt(share * (1 - share) / 499))
    assert critical(errors, 0.05)[0] == pytest.approx(1.959964)


def test_p_values_of_one_source_are_students_or_the_normals() -> None:
    errors = Errors(np.array([[0.0, 4.0]]), np.array([[np.inf, 2.0]]), np.array([4.0, 0.0]))
    p = p_values(np.array([5.0, -8.6]), errors)
    assert p.tolist() == pytest.approx([2 * stats.norm.sf(2.5), 2 * stats.t.sf(4.3, 2)], rel=1e-6)


def test_two_sources_have_a_quantile_between_theirs() -> None:
    errors = Errors(np.array([[1.0]]), np.array([[2.0]]), np.array([3.0]))
    expected = (1 * stats.t.ppf(0.975, 2) + 3 * stats.norm.ppf(0.975)) / 4
    assert critical(errors, 0.05)[0] == pytest.approx(expected)


def test_components_of_single_models_are_put_side_by_side() -> None:
    answers = answers_of(Design((0.9, 0.8), (2, 3), 50, 0.1), np.random.default_rng(0))
    together, single = components(answers), apart([components([each]) for each in answers])
    assert single.accuracies.tolist() == together.accuracies.tolist()
    assert np.diag(single.images) == pytest.approx(np.diag(together.images))
    assert np.diag(single.noise) == pytest.approx(np.diag(together.noise))
