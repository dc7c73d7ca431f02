from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.measure.crossed import (
    SEEDS_SHARE,
    Answers,
    Errors,
    apart,
    components,
    critical,
    errors_of_differences,
    errors_of_means,
    p_values,
)
from tests.measure.simulated import Design, alike, draw


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
    first, second = draw(alike(2, 2, images=50, sd=0.0), np.random.default_rng(0)).answers
    moved = Answers((5, 6), second.right)
    assert components([first, second]).noise[0, 1] != 0
    assert components([first, moved]).noise[0, 1] == 0


def test_a_pairs_error_is_the_same_whatever_other_models_there_are() -> None:
    random = np.random.default_rng(2)
    calm = draw(alike(2, 3, images=500), random).answers
    wild = draw(Design((0.9,) * 4, (3,) * 4, 500, (0.2,) * 4), random).answers
    pair = np.array([[0, 1]])
    alone, among = (errors_of_differences(components(each), pair) for each in (calm, [*calm, *wild]))
    assert alone.standard[0] == pytest.approx(among.standard[0])
    assert critical(alone, 0.05)[0] == pytest.approx(critical(among, 0.05)[0])


def test_two_models_seeds_have_satterthwaites_degrees_of_freedom() -> None:
    errors = Errors(np.array([[1.0], [3.0]]), np.array([[2.0], [4.0]]), np.array([0.0]))
    assert critical(errors, 0.05)[0] == pytest.approx(stats.t.ppf(0.975, 16 / (1 / 2 + 9 / 4)))


def test_images_of_groups_vary_as_their_groups_do() -> None:
    right = np.repeat(np.random.default_rng(1).random((1, 20)) < 0.7, 30, axis=1)
    groups = np.repeat(np.arange(20), 30)
    found = components([Answers((0,), right)], groups)
    share = right.mean()
    assert found.images[0, 0] == pytest.approx(share * (1 - share) / 19)
    assert (found.count, found.units) == (600, 20)
    assert critical(errors_of_means(found), 0.05)[0] == pytest.approx(stats.t.ppf(0.975, 19))


def test_one_fitted_model_has_no_seeds_variance() -> None:
    answers = draw(alike(1, 1, images=500, sd=0.0), np.random.default_rng(0)).answers
    found = components(answers)
    errors = errors_of_means(found)
    share = found.accuracies[0]
    assert errors.standard[0] == pytest.approx(np.sqrt(share * (1 - share) / 499))
    assert critical(errors, 0.05)[0] == pytest.approx(1.959964)


def test_p_values_of_one_source_are_students_or_the_normals() -> None:
    errors = Errors(np.array([[0.0, 4.0]]), np.array([[np.inf, 2.0]]), np.array([4.0, 0.0]))
    p = p_values(np.array([5.0, -8.6]), errors)
    assert p.tolist() == pytest.approx([2 * stats.norm.sf(2.5), 2 * stats.t.sf(4.3, 2)], rel=1e-6)


def test_two_sources_have_a_quantile_between_theirs() -> None:
    errors = Errors(np.array([[1.0]]), np.array([[2.0]]), np.array([3.0]))
    share = (1 / 4) ** SEEDS_SHARE
    expected = share * stats.t.ppf(0.975, 2) + (1 - share) * stats.norm.ppf(0.975)
    assert critical(errors, 0.05)[0] == pytest.approx(expected)


def test_components_of_single_models_are_put_side_by_side() -> None:
    answers = draw(Design((0.9, 0.8), (2, 3), 50, (0.02, 0.02)), np.random.default_rng(0)).answers
    together, single = components(answers), apart([components([each]) for each in answers])
    assert single.accuracies.tolist() == together.accuracies.tolist()
    assert np.diag(single.images) == pytest.approx(np.diag(together.images))
    assert np.diag(single.noise) == pytest.approx(np.diag(together.noise))
