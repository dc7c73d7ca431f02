"""What the events of a run add up to, and how much time is thought to be left."""

from __future__ import annotations

import pytest

from harness.cli.run_progress import RunProgress
from harness.contracts import Outcome
from harness.contracts.metrics import EPOCH_SECONDS, FLOPS, TOTAL_SECONDS, TRAIN_SECONDS
from harness.execute.estimate import Rates, Workers, workers_for
from tests.cli.conftest import Clock, planned


def test_no_time_left_is_told_before_anything_is_known() -> None:
    assert RunProgress([planned("mlp")], Rates(), now=Clock()).seconds_left() is None


def test_a_running_cell_tells_the_time_of_those_that_wait() -> None:
    clock = Clock()
    first, second = planned("mlp"), planned("small_cnn")
    progress = RunProgress([first, second], Rates(), now=clock)
    progress.started(first, "cpu")
    clock.seconds = 10.0
    progress.epoch(first, 2, {})
    assert progress.seconds_left() == 10.0 + 20.0  # the rest of its own, and a whole one like it


def test_cells_that_wait_count_as_whole_ones_when_one_like_them_is_nearly_done() -> None:
    clock = Clock()
    first, second = planned("mlp"), planned("mlp", seed=1)
    progress = RunProgress([first, second], Rates(), now=clock)
    progress.started(first, "cpu")
    clock.seconds = 30.0
    progress.epoch(first, 3, {})
    assert progress.seconds_left() == 10.0 + 40.0


def test_the_start_of_a_worker_is_not_taken_for_an_epoch() -> None:
    clock = Clock()
    cell = planned("mlp", epochs=100)
    progress = RunProgress([cell], Rates(), now=clock)
    progress.started(cell, "cpu")
    clock.seconds = 5.0
    progress.epoch(cell, 1, {EPOCH_SECONDS: 0.1})
    assert progress.seconds_left() == pytest.approx(9.9)


def test_networks_that_wait_are_not_counted_as_the_quick_models_that_have_ended() -> None:
    floor, mlp = planned("majority", epochs=None), planned("mlp")
    progress = RunProgress([floor, mlp], Rates(), now=Clock())
    progress.started(floor, "cpu")
    progress.ended(Outcome(floor, "finished", seconds=0.1))
    assert progress.seconds_left() is None


def test_networks_that_wait_are_counted_by_their_operations() -> None:
    mlp, cnn = planned("mlp"), planned("small_cnn")
    progress = RunProgress([mlp, cnn], Rates(), flops={mlp.key: 1e4, cnn.key: 8e4}, now=Clock())
    progress.started(mlp, "cpu")
    progress.ended(Outcome(mlp, "finished", metrics={TOTAL_SECONDS: 3.0, TRAIN_SECONDS: 2.0, FLOPS: 1e4}))
    assert progress.seconds_left() == pytest.approx(4 * 2.0 + 1.0)


def test_a_running_cell_of_a_smoke_run_has_one_epoch_whatever_its_recipe_says() -> None:
    clock = Clock()
    cell = planned("mlp", epochs=30)
    progress = RunProgress([cell], Rates(smoke=True), now=clock)
    progress.started(cell, "cpu")
    clock.seconds = 2.0
    progress.epoch(cell, 1, {EPOCH_SECONDS: 0.5})
    assert progress.seconds_left() == 0.0
    ((running, _),) = progress.snapshot().running
    assert running.share == 1.0


def test_two_workers_halve_the_time_but_not_below_the_longest_cell() -> None:
    rates = Rates()
    rates.add(planned("mlp").cell, 30.0)
    rates.add(planned("small_cnn").cell, 100.0)
    cells = [planned("mlp", seed) for seed in range(4)]
    two = Workers(2, ("cpu",))
    assert RunProgress(cells, rates, two, now=Clock()).seconds_left() == 60.0
    assert RunProgress([*cells[:2], planned("small_cnn")], rates, two, now=Clock()).seconds_left() == 100.0


def test_the_time_left_counts_as_many_cells_side_by_side_as_when_the_last_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.execute.plan.usable_cores", lambda: 16)
    rates, cells = Rates(), [planned("mlp", seed=seed) for seed in range(9)]
    rates.add(cells[0].cell, 10.0)
    progress = RunProgress(cells, rates, workers_for(None, "local", ("cuda:0",), len(cells)), now=Clock())
    assert progress.seconds_left() == 90.0
    for cell in cells[:3]:
        progress.started(cell, "cuda:0")
    assert progress.seconds_left() == 30.0
    progress.ended(Outcome(cells[0], "finished", seconds=10.0))
    assert progress.seconds_left() == pytest.approx(80 / 3)


def test_a_cell_that_is_tried_again_no_longer_counts_as_failed() -> None:
    cell = planned("mlp")
    progress = RunProgress([cell], Rates(), now=Clock())
    progress.started(cell, "cpu")
    progress.ended(Outcome(cell, "failed"))
    assert progress.snapshot().ended == {"failed": 1}
    progress.started(cell, "cpu")
    now = progress.snapshot()
    assert (now.ended, len(now.running)) == ({}, 1)


def test_the_share_that_is_done_goes_by_what_cells_take_not_by_their_number() -> None:
    rates, clock = Rates(), Clock()
    quick, slow = planned("mlp"), planned("small_cnn")
    rates.add(quick.cell, 10.0)
    rates.add(slow.cell, 90.0)
    progress = RunProgress([quick, slow], rates, now=clock)
    assert progress.snapshot().done == 0.0
    progress.started(quick, "cpu")
    progress.ended(Outcome(quick, "finished", seconds=10.0))
    assert progress.snapshot().done == pytest.approx(0.1)
    progress.started(slow, "cpu")
    progress.epoch(slow, 2, {})
    assert progress.snapshot().done == pytest.approx(0.1 + 0.9 / 2)


def test_nothing_is_left_once_all_cells_have_ended() -> None:
    cell = planned("mlp")
    progress = RunProgress([cell], Rates(), now=Clock())
    progress.started(cell, "cpu")
    progress.ended(Outcome(cell, "finished", seconds=3.0))
    assert progress.seconds_left() == 0.0
