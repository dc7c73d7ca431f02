from __future__ import annotations

import numpy as np

from harness.measure.paired import tiers


def differing(count: int, *pairs: tuple[int, int]) -> tuple[int, ...]:
    differ = np.zeros((count, count), dtype=bool)
    for a, b in pairs:
        differ[a, b] = differ[b, a] = True
    return tiers(differ)


def test_what_cannot_be_told_apart_shares_a_tier() -> None:
    assert differing(3) == (1, 1, 1)


def test_what_differs_from_a_member_opens_the_next_tier() -> None:
    assert differing(4, (0, 2), (0, 3), (1, 3)) == (1, 1, 2, 2)


def test_no_two_of_a_tier_differ_though_both_are_like_the_best() -> None:
    assert differing(3, (1, 2)) == (1, 1, 2)


def test_tiers_never_jump_back_up() -> None:
    assert differing(3, (0, 1)) == (1, 2, 2)


def test_no_models_have_no_tiers() -> None:
    assert tiers(np.zeros((0, 0), dtype=bool)) == ()
