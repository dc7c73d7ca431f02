"""Of all processes that want a turn, one has it; the turn of one that is gone is free."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import optuna
import pytest

from harness.tune.storage import Owner, Storage, Turn, open_storage

WORKER = """
import pathlib, sys, time
from harness.tune.storage import open_storage

home = pathlib.Path(sys.argv[1])
turn = open_storage(home).turn("study", "turn")
for _ in range(20):
    with turn.waited_for():
        begun = time.time()
        time.sleep(0.002)
        with (home / "spans").open("a") as file:
            file.write(f"{begun} {time.time()}\\n")
"""


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.delenv("HARNESS_OPTUNA_STORAGE", raising=False)
    opened = open_storage(tmp_path)
    optuna.create_study(study_name="study", storage=opened.optuna)
    return opened


@pytest.fixture
def living() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def hold(storage: Storage, pid: int, host: str = "", minutes_ago: float = 0) -> None:
    """Let a process have the turn."""
    time = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    owner = Owner(host=host or platform.node(), pid=pid, time=time, process="another")
    optuna.load_study(study_name="study", storage=storage.optuna).set_user_attr("turn", owner.model_dump())


def test_no_two_processes_have_the_turn_at_once(storage: Storage, tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    spans = sorted(tuple(map(float, line.split())) for line in (tmp_path / "spans").read_text().splitlines())
    assert len(spans) == 60
    assert all(after[0] >= before[1] for before, after in pairwise(spans))


def test_a_turn_that_is_given_back_can_be_taken_again(storage: Storage) -> None:
    turn = storage.turn("study", "turn")
    assert turn.take()
    assert turn.take()  # one's own
    turn.give_back()
    assert turn.take()


def test_the_turn_of_a_living_process_cannot_be_taken_or_given_back(storage: Storage, living: int) -> None:
    hold(storage, living)
    turn = storage.turn("study", "turn")
    assert not turn.take()
    turn.give_back()
    assert not turn.take()


def test_the_turn_of_a_dead_process_is_free(storage: Storage) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    hold(storage, process.pid)
    assert storage.turn("study", "turn").take()


def test_the_turn_of_a_process_whose_number_another_has_is_free(storage: Storage, living: int) -> None:
    hold(storage, living, minutes_ago=10)
    assert storage.turn("study", "turn").take()


@pytest.mark.parametrize(("minutes", "is_free"), [(1, False), (5, True)])
def test_the_turn_of_another_machine_is_free_after_four_silent_minutes(
    storage: Storage, living: int, minutes: float, is_free: bool
) -> None:
    hold(storage, living, host="elsewhere", minutes_ago=minutes)
    own = storage.turn("study", "turn")
    assert Turn(own.database, own.study_id, "turn", is_shared=True).take() is is_free
