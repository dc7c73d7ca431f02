from __future__ import annotations

import numpy as np
import pytest

from harness.measure.paired import letters, worth_of_class_means


def lettered(count: int, *pairs: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    differ = np.zeros((count, count), dtype=bool)
    for a, b in pairs:
        differ[a, b] = differ[b, a] = True
    return letters(differ)


def test_what_cannot_be_told_apart_shares_a_letter() -> None:
    assert lettered(3) == ((0,), (0,), (0,))


def test_who_is_like_two_that_differ_has_the_letters_of_both() -> None:
    assert lettered(3, (0, 2)) == ((0,), (0, 1), (1,))


def test_who_differs_from_all_has_a_letter_alone() -> None:
    assert lettered(3, (0, 1), (0, 2)) == ((0,), (1,), (1,))


@pytest.mark.parametrize("seed", range(20))
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(seed: int) -> None:
    random = np.random.default_rng(seed)
    differ = np.triu(random.random((12, 12)) < random.random(), 1)
    differ |= differ.T
    found = letters(differ)
    share = np.array([[bool(set(one) & set(other)) for other in found] for one in found])
    assert (share == ~differ).all()


def test_no_models_have_no_letters() -> None:
    assert letters(np.zeros((0, 0), dtype=bool)) == ()


def test_a_class_of_one_image_makes_a_mean_over_classes_worth_four_images() -> None:
    assert worth_of_class_means(np.array([1, 500, 0])) == pytest.approx(4, abs=0.01)
