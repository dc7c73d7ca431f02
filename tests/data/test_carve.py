from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.contracts import Validation
from harness.data.carve import held_out, stratified
from harness.errors import DataError


def labels_of(*counts: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(count))


@pytest.mark.parametrize("size", [3, 10, 37, 100, 197])
def test_the_size_is_exact_whatever_the_class_sizes(size: int) -> None:
    labels = labels_of(100, 67, 33)
    held = held_out(labels, names(3), Validation(size=size), None)
    assert len(held) == len(np.unique(held)) == size


def test_classes_keep_their_proportions() -> None:
    held = held_out(labels_of(600, 300, 100), names(3), Validation(fraction=0.1), None)
    assert np.bincount(labels_of(600, 300, 100)[held]).tolist() == [60, 30, 10]


def test_a_tiny_class_is_on_both_sides() -> None:
    labels = labels_of(500, 500, 2)
    held = held_out(labels, names(3), Validation(size=10), None)
    assert np.bincount(labels[held]).tolist() == [4, 5, 1]


def test_a_class_is_never_held_out_whole() -> None:
    labels = labels_of(10, 2)
    held = held_out(labels, names(2), Validation(size=10), None)
    assert np.bincount(labels[held]).tolist() == [9, 1]


def test_a_class_of_one_image_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="class 1: 1 image"):
        held_out(labels_of(10, 1), names(2), Validation(size=4), None)


def test_fewer_places_than_classes_is_an_error() -> None:
    with pytest.raises(DataError, match=r"validation wants 2 of 30 .* 3 to 27"):
        held_out(labels_of(10, 10, 10), names(3), Validation(size=2), None)


def test_the_split_does_not_change_between_versions() -> None:
    held = held_out(labels_of(20, 20), names(2), Validation(size=6), None)
    assert held.tolist() == [1, 4, 17, 18, 28, 32]


def test_no_group_is_on_both_sides_and_the_size_is_met_exactly_where_it_can_be() -> None:
    groups = np.repeat([f"session {group}" for group in range(8)], [5, 7, 11, 3, 8, 13, 2, 1])
    labels = np.arange(50) % 2
    held = held_out(labels, names(2), Validation(size=17, groups="session"), groups)
    left = np.setdiff1d(np.arange(50), held)
    assert len(held) == 17
    assert not set(groups[held]) & set(groups[left])


def test_groups_come_as_near_the_size_as_their_sizes_allow() -> None:
    groups = np.repeat(["a", "b", "c", "d"], 25)
    held = held_out(np.arange(100) % 2, names(2), Validation(groups="g"), groups)
    assert len(held) == 25


def test_another_seed_holds_out_other_groups() -> None:
    groups = np.repeat([str(group) for group in range(20)], 5)
    chosen = {
        tuple(held_out(np.arange(100) % 2, names(2), Validation(fraction=0.2, groups="g", seed=seed), groups))
        for seed in range(5)
    }
    assert len(chosen) > 1


def test_thousands_of_groups_are_quick_and_exact() -> None:
    sizes = np.random.default_rng(0).integers(1, 6, 5000)
    groups = np.repeat(np.arange(5000).astype(str), sizes)
    labels = np.arange(len(groups)) % 10
    held = held_out(labels, names(10), Validation(size=1500, groups="g"), groups)
    assert len(held) == 1500


def test_one_group_cannot_be_held_out() -> None:
    with pytest.raises(DataError, match="1 group"):
        held_out(np.arange(10) % 2, names(2), Validation(groups="g"), np.repeat("only", 10))


def test_groups_that_would_take_a_whole_class_are_an_error_that_names_it() -> None:
    labels = np.repeat([0, 1], 10)
    with pytest.raises(DataError, match=r"leaves no training image of\n  class [01]"):
        held_out(labels, names(2), Validation(fraction=0.5, groups="g"), np.repeat(["a", "b"], 10))


def test_a_limit_smaller_than_the_classes_takes_the_largest() -> None:
    labels = labels_of(50, 30, 20)
    assert labels[stratified(labels, 3, 1, np.random.default_rng(0))].tolist() == [0]
