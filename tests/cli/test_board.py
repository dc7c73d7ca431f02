from __future__ import annotations

from harness.cli.board import Board
from harness.cli.cost import Crew
from harness.cli.rates import Rates
from harness.contracts import Outcome
from tests.cli.conftest import Clock, planned


def test_a_cell_like_a_finished_one_is_guessed_by_its_epochs() -> None:
    rates = Rates()
    rates.add(planned("mlp", epochs=4).cell, 8.0)
    assert rates.guess(planned("mlp", seed=3, epochs=10).cell) == 20.0


def test_the_closest_finished_cells_count_for_a_guess() -> None:
    rates = Rates()
    rates.add(planned("mlp", width=8).cell, 4.0)
    rates.add(planned("mlp", width=64).cell, 400.0)
    assert rates.guess(planned("mlp", width=8, seed=1).cell) == 4.0
    assert rates.guess(planned("mlp", width=9).cell) == 202.0


def test_nothing_is_guessed_of_another_model() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 4.0)
    assert rates.guess(planned("small_cnn").cell) is None


def test_no_time_left_is_told_before_anything_is_known() -> None:
    assert Board([planned("mlp")], Rates(), now=Clock()).seconds_left() is None


def test_a_running_cell_tells_the_time_of_those_that_wait() -> None:
    clock = Clock()
    first, second = planned("mlp"), planned("small_cnn")
    board = Board([first, second], Rates(), now=clock)
    board.started(first, "cpu")
    clock.seconds = 10.0
    board.epoch(first, 2, {})
    assert board.seconds_left() == 10.0 + 20.0  # the rest of its own, and a whole one like it


def test_cells_that_wait_count_as_whole_ones_when_one_like_them_is_nearly_done() -> None:
    clock = Clock()
    first, second = planned("mlp"), planned("mlp", seed=1)
    board = Board([first, second], Rates(), now=clock)
    board.started(first, "cpu")
    clock.seconds = 30.0
    board.epoch(first, 3, {})
    assert board.seconds_left() == 10.0 + 40.0


def test_two_workers_halve_the_time_but_not_below_the_longest_cell() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 30.0)
    rates.add(planned("small_cnn").cell, 100.0)
    cells = [planned("mlp", seed) for seed in range(4)]
    assert Board(cells, rates, crew=Crew(2, ("cpu",)), now=Clock()).seconds_left() == 60.0
    assert Board([*cells[:2], planned("small_cnn")], rates, crew=Crew(2, ("cpu",)), now=Clock()).seconds_left() == 100.0


def test_a_cell_that_is_tried_again_no_longer_counts_as_failed() -> None:
    cell = planned("mlp")
    board = Board([cell], Rates(), now=Clock())
    board.started(cell, "cpu")
    board.ended(Outcome(cell, "failed"))
    assert board.count("failed") == 1
    board.started(cell, "cpu")
    assert (board.count("failed"), len(board.running)) == (0, 1)


def test_nothing_is_left_once_all_cells_have_ended() -> None:
    cell = planned("mlp")
    board = Board([cell], Rates(), now=Clock())
    board.started(cell, "cpu")
    board.ended(Outcome(cell, "finished", seconds=3.0))
    assert board.seconds_left() == 0.0
