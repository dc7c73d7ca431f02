from __future__ import annotations

import pytest

from harness.contracts import Cell, Choice, Dataset, Recipe
from harness.execute.executor import Failure, FailureKind
from harness.execute.work import Attempt

FIRST = Attempt()


def cell(batch_size: int | None = 100) -> Cell:
    recipe = Recipe(batch_size=batch_size) if batch_size else None
    return Cell(dataset=Dataset(name="digits"), model=Choice(name="fake"), recipe=recipe, seed=0)


def failure(kind: FailureKind = "memory") -> Failure:
    return Failure(kind, "why", "where")


def test_each_time_memory_runs_out_a_batch_is_taken_in_twice_as_many_parts() -> None:
    attempt, parts = FIRST, []
    while (following := attempt.next(cell(), failure(), 9, had_neighbors=False)) is not None:
        attempt = following
        parts.append(attempt.parts)
    assert parts == [2, 4, 8, 16, 32, 64, 100, 100, 100]


def test_a_part_is_told_by_its_images() -> None:
    attempt = Attempt(parts=8)
    assert attempt.tags(cell()) == {"harness.micro_batch": "13"}
    assert attempt.text(cell()) == " in micro-batches of 13 images"
    assert FIRST.tags(cell()) == {} and FIRST.text(cell()) == ""


def test_a_model_without_a_recipe_and_a_worker_that_died_are_tried_as_before() -> None:
    assert FIRST.next(cell(None), failure(), 1, had_neighbors=False) == Attempt(failures=1)
    assert FIRST.next(cell(), failure("died"), 1, had_neighbors=False) == Attempt(failures=1)


@pytest.mark.parametrize("retry", [0, 3])
def test_memory_that_neighbors_took_is_no_failure_of_the_cell(retry: int) -> None:
    following = FIRST.next(cell(), failure(), retry, had_neighbors=True)
    assert following == Attempt(alone=True)
    assert following.text(cell()) == " with no other cell beside it"


def test_memory_that_runs_out_alone_counts() -> None:
    alone = Attempt(alone=True)
    assert alone.next(cell(), failure(), 0, had_neighbors=False) is None
    assert alone.next(cell(), failure(), 1, had_neighbors=False) == Attempt(parts=2, alone=True, failures=1)


@pytest.mark.parametrize("kind", ["training", "data", "seal", "pruned", "error"])
def test_what_would_fail_again_is_not_tried_again(kind: FailureKind) -> None:
    assert FIRST.next(cell(), failure(kind), 5, had_neighbors=False) is None
