"""The storage that processes share: opened by all, leases held by one, and free when that one is gone."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import optuna
import pytest

from harness.errors import StoreError
from harness.tune.storage import Heartbeat, Lease, Storage, open_storage

WORKER = """
import pathlib, sys, time
from harness.tune.storage import open_storage

home = pathlib.Path(sys.argv[1])
lease = open_storage(home).lease("study", "lease")
for _ in range(20):
    with lease.held():
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
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's stand-in: a database by address."""
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", f"sqlite:///{tmp_path / 'shared.db'}")


@pytest.fixture
def living() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def hold(storage: Storage, pid: int, host: str = "", minutes_ago: float = 0) -> None:
    """Let a process have the lease."""
    time = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    owner = Heartbeat(host=host or platform.node(), pid=pid, time=time, process="another")
    optuna.load_study(study_name="study", storage=storage.optuna).set_user_attr("lease", owner.model_dump())


def test_no_two_processes_hold_a_lease_at_once(storage: Storage, tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    spans = sorted(tuple(map(float, line.split())) for line in (tmp_path / "spans").read_text().splitlines())
    assert len(spans) == 60
    assert all(after[0] >= before[1] for before, after in pairwise(spans))


def test_a_lease_that_is_released_can_be_taken_again(storage: Storage) -> None:
    lease = storage.lease("study", "lease")
    assert lease.take()
    assert lease.take()  # one's own
    lease.release()
    assert lease.take()


def test_the_lease_of_a_living_process_cannot_be_taken_or_released(storage: Storage, living: int) -> None:
    hold(storage, living)
    lease = storage.lease("study", "lease")
    assert not lease.take()
    lease.release()
    assert not lease.take()


def test_the_lease_of_a_dead_process_is_free(storage: Storage) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    hold(storage, process.pid)
    assert storage.lease("study", "lease").take()


def test_the_lease_of_a_process_whose_number_another_has_is_free(storage: Storage, living: int) -> None:
    hold(storage, living, minutes_ago=10)
    assert storage.lease("study", "lease").take()


@pytest.mark.parametrize(("minutes", "is_free"), [(1, False), (5, True)])
def test_the_lease_of_another_machine_is_free_after_four_silent_minutes(
    storage: Storage, living: int, minutes: float, is_free: bool
) -> None:
    hold(storage, living, host="elsewhere", minutes_ago=minutes)
    own = storage.lease("study", "lease")
    assert Lease(own.database, own.study_id, "lease", is_shared=True).take() is is_free


def test_a_storage_address_that_is_none_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", "not an address")
    with pytest.raises(StoreError, match="HARNESS_OPTUNA_STORAGE is not a database address"):
        open_storage(tmp_path)


def test_a_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_OPTUNA_STORAGE", "postgresql+nodriver://me:secret@127.0.0.1:1/none")
    with pytest.raises(StoreError) as error:
        open_storage(tmp_path)
    assert "secret" not in str(error.value) and "127.0.0.1" in str(error.value)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("optuna.db").write_text("this is no database, but text that is long enough to look like a file")
    with pytest.raises(StoreError, match=r"optuna\.db"):
        open_storage(tmp_path)


@pytest.mark.usefixtures("server")
def test_other_machines_hear_that_this_one_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tune.storage.BEAT_SECONDS", 0.1)
    beats: list[float] = []
    with open_storage(tmp_path).beating(lambda: beats.append(time.monotonic())):
        time.sleep(1)
    assert len(beats) > 2


@pytest.mark.usefixtures("server")
def test_processes_that_start_at_once_on_an_empty_database_all_open_it(tmp_path: Path) -> None:
    barrier = Barrier(6)

    def start(_: int) -> bool:
        barrier.wait()
        return open_storage(tmp_path).is_shared

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(start, range(6)))
