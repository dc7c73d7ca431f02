"""The numbers that are said to tell two models apart do so, in simulated studies, as often as they are said to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.measure.crossed import Answers, Components, components, errors_of_differences, p_values
from harness.measure.power import POWER, needed, smallest_difference

PAIR = np.array([[0, 1]])
LEVEL = 0.05


def answers(random: np.random.Generator, seeds: int, images: int, shift: float, by_seed: float) -> list[Answers]:
    """Return two models' answers; images are hard for both, a seed moves a model, seed and image meet by chance."""
    hard = random.normal(size=images)
    found = []
    for skill in (1.0, 1.0 + shift):
        own = 0.5 * random.normal(size=images)
        moved = by_seed * random.normal(size=(seeds, 1)) + 0.7 * random.normal(size=(seeds, images))
        found.append(Answers(tuple(range(seeds)), skill + hard + own + moved > 0))
    return found


def as_if(pilot: Components, seeds: int, images: int) -> Components:
    """Return what a large study's components are on average in a smaller one."""
    more_images, more_seeds = pilot.count / images, len(pilot.seed_sets[0]) / seeds
    noise = pilot.noise * more_images * more_seeds
    return Components(
        accuracies=pilot.accuracies,
        images=(pilot.images - pilot.noise) * more_images + noise,
        noise=noise,
        seeds=(pilot.seeds - np.diag(pilot.noise)) * more_seeds + np.diag(noise),
        seed_sets=(tuple(range(seeds)),) * 2,
        count=images,
        units=images,
    )


def share_told_apart(seeds: int, images: int, shift: float, by_seed: float, studies: int = 300) -> float:
    told = 0
    for number in range(studies):
        found = components(answers(np.random.default_rng(number), seeds, images, shift, by_seed))
        errors = errors_of_differences(found, PAIR)
        difference: NDArray[np.float64] = found.accuracies[:1] - found.accuracies[1:]
        told += bool(p_values(difference, errors)[0] < LEVEL)
    return told / studies


@pytest.mark.parametrize(
    ("shift", "by_seed"), [(0.11, 0.0), (0.25, 0.12)], ids=["seeds move single images", "seeds move the model"]
)
def test_so_many_seeds_tell_two_models_apart_in_four_studies_of_five(shift: float, by_seed: float) -> None:
    pilot = components(answers(np.random.default_rng(9), 400, 4_000, shift, by_seed))
    small = as_if(pilot, 2, 1_500)
    seeds = int(needed(small, PAIR, LEVEL).seeds[0])
    assert 3 < seeds < 30
    assert share_told_apart(seeds, 1_500, shift, by_seed) == pytest.approx(POWER, abs=0.09)
    assert share_told_apart(2, 1_500, shift, by_seed) < POWER - 0.1


def test_so_many_images_tell_two_models_apart_in_four_studies_of_five() -> None:
    pilot = components(answers(np.random.default_rng(9), 400, 4_000, 0.2, 0.0))
    small = as_if(pilot, 3, 200)
    images = int(needed(small, PAIR, LEVEL).images[0])
    assert 300 < images < 5_000
    assert share_told_apart(3, images, 0.2, 0.0) == pytest.approx(POWER, abs=0.09)


def test_no_number_does_where_there_is_no_difference_or_seeds_make_none() -> None:
    one = answers(np.random.default_rng(0), 1, 300, 0.5, 0.0)
    fitted = components(one)
    assert needed(fitted, PAIR, LEVEL).seeds.tolist() == [0]
    assert needed(fitted, PAIR, LEVEL).images[0] > 0
    same = components([one[0], one[0]])
    assert needed(same, PAIR, LEVEL).images.tolist() == [0]


def test_where_neither_does_by_itself_ten_seeds_and_more_images_may() -> None:
    pilot = components(answers(np.random.default_rng(9), 400, 4_000, 0.2, 0.08))
    small = as_if(pilot, 2, 100)
    found = needed(small, PAIR, LEVEL / 6)
    assert (found.seeds.tolist(), found.images.tolist()) == ([0], [0])
    assert 300 < found.together[0] < 3_000


def test_a_stricter_level_asks_for_more() -> None:
    found = components(answers(np.random.default_rng(1), 3, 500, 0.2, 0.0))
    loose, strict = (needed(found, PAIR, level).images[0] for level in (0.05, 0.005))
    assert strict > loose > 0


def test_the_smallest_difference_that_shows_does_so_in_four_studies_of_five() -> None:
    pilot = as_if(components(answers(np.random.default_rng(9), 400, 4_000, 0.09, 0.0)), 5, 1_500)
    least = smallest_difference(errors_of_differences(pilot, PAIR), LEVEL)[0]
    assert abs(pilot.accuracies[0] - pilot.accuracies[1]) == pytest.approx(least, rel=0.03)
    assert share_told_apart(5, 1_500, 0.09, 0.0) == pytest.approx(POWER, abs=0.09)
