"""How many workers there are, where, and what is said of it."""

from __future__ import annotations

import pytest

from harness.cli import cost
from harness.cli.board import Board
from harness.cli.cost import crew_for
from harness.cli.rates import Rates
from harness.contracts import Outcome
from harness.execute import plan as settings
from tests.cli.conftest import Clock, planned

CPU, GPU, GPUS = ("cpu",), ("cuda:0",), ("cuda:0", "cuda:1")


@pytest.fixture(autouse=True)
def _sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "usable_cores", lambda: 16)


def test_a_processor_has_a_worker_a_core_up_to_eight_or_as_many_as_asked_for() -> None:
    assert [crew_for(None, "local", CPU, cores, 100).workers for cores in (1, 4, 16)] == [1, 4, 8]
    assert crew_for(3, "local", CPU, 16, 100).text == "3 workers on cpu"
    assert crew_for(None, "local", CPU, 16, 2).text == "2 workers on cpu"
    assert crew_for(None, "inline", CPU, 16, 100).text == "1 worker on cpu"


def test_cells_on_gpus_are_packed_by_measurement_unless_workers_are_given() -> None:
    assert crew_for(None, "local", GPU, 16, 100).text == "up to 8 workers on cuda:0, packed by measurement"
    assert crew_for(None, "local", GPUS, 16, 100).text == "up to 16 workers on 2 GPUs, packed by measurement"
    assert crew_for(3, "local", GPUS, 16, 100).text == "3 workers on 2 GPUs"
    assert crew_for(None, "local", GPU, 16, 1).text == "1 worker on cuda:0"
    assert not crew_for(None, "inline", GPUS, 16, 100).packed


def test_there_is_never_more_than_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "usable_cores", lambda: 6)
    assert crew_for(None, "local", GPUS, 6, 100).workers == 6


def test_a_time_is_foreseen_for_one_cell_on_each_gpu() -> None:
    rates, cells = Rates(), [planned("mlp", seed=seed) for seed in range(4)]
    rates.add(cells[0].cell, 10.0)
    crew = crew_for(None, "local", GPUS, 16, len(cells))
    assert cost.bill_of(cells, rates, crew.sure).seconds == 20.0


def test_the_time_left_counts_as_many_cells_side_by_side_as_when_the_last_began() -> None:
    rates, cells = Rates(), [planned("mlp", seed=seed) for seed in range(9)]
    rates.add(cells[0].cell, 10.0)
    board = Board(cells, rates, crew_for(None, "local", GPU, 16, len(cells)), now=Clock())
    assert board.seconds_left() == 90.0
    for cell in cells[:3]:
        board.started(cell, "cuda:0")
    assert board.seconds_left() == 30.0
    board.ended(Outcome(cells[0], "finished", seconds=10.0))
    assert board.seconds_left() == pytest.approx(80 / 3)
