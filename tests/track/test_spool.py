"""What is written while the store is away: it waits, in its order, and is there once when all is over."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.errors import StoreAwayError, StoreError, StoreRefusedError
from harness.track import Store
from harness.track.client import PATIENCE, patience_seconds
from harness.track.spool import FOLDER, deliver, waiting
from harness.track.store import store_at


class Line:
    """The way to the store's database, which can be cut; a call goes through once more before that is noticed."""

    def __init__(self, store: Store) -> None:
        self.is_cut = False
        self.calls: list[str] = []
        self._client = store.client._client
        store.client._client = self

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.is_cut:
                raise requests.exceptions.ConnectionError("Connection refused")
            self.calls.append(name)
            return getattr(self._client, name)(*args, **kwargs)

        return call


@pytest.fixture
def line(store: Store) -> Line:
    return Line(store)


@pytest.fixture
def run_id(store: Store) -> str:
    return store.start_run("a study", "cell", "cell k1", tags={"harness.key": "k1"}, params={"a": 1})


def kept(store: Store) -> list[Path]:
    return sorted((store.home / FOLDER).glob("*.jsonl"))


def until(is_so: Any) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_with_the_store_there_nothing_waits_and_no_file_is_written(store: Store, line: Line, run_id: str) -> None:
    with store.spooling():
        store.log_epoch(run_id, 1, {"train/loss": 1.0})
        assert store.record(run_id).metrics == {"train/loss": 1.0}
    assert not (store.home / FOLDER).exists()


def test_what_is_written_while_the_store_is_away_is_delivered_in_order_with_its_own_times(
    store: Store, line: Line, run_id: str, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    (left / "report.json").write_text("{}")
    with store.spooling():
        line.is_cut = True
        begun = time.monotonic()
        for epoch in (1, 2, 3):
            store.log_epoch(run_id, epoch, {"train/loss": 1 / epoch})
        store.tag(run_id, {"harness.test": "opened"})
        store.tag(run_id, {"harness.test": "never"})
        store.log_folder(run_id, left)
        shutil.rmtree(left)  # as the cell's own folder is when the cell is over
        store.end(run_id, "FINISHED")
        assert time.monotonic() - begun < 5
        assert len(kept(store)) == 1
        ended = time.time()
        time.sleep(0.5)
        line.is_cut = False
    record = store.record(run_id)
    assert (record.status, record.tags["harness.test"]) == ("FINISHED", "never")
    assert record.end is not None and record.end <= ended + 0.1
    assert [step for step, _ in store.history(run_id)["train/loss"]] == [1, 2, 3]
    path = store.artifact(run_id, "report.json")
    assert path is not None and path.read_text() == "{}"
    assert not any((store.home / FOLDER).iterdir())


def test_patience_ends_in_one_sentence_and_the_next_process_delivers(
    store: Store, line: Line, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.client.outage.patience = 0.5
    with pytest.raises(StoreError, match="run the same command again") as told, store.spooling():
        line.is_cut = True
        for epoch in range(1, 100):
            store.log_epoch(run_id, epoch, {"train/loss": 1 / epoch})
            time.sleep(0.05)
    assert "\n" not in str(told.value)
    number = waiting(store.home)
    assert number > 3
    line.is_cut = False
    another = store_at(store.home, store.uri, store.artifacts)
    assert "train/loss" not in another.record(run_id).metrics
    deliver(another)
    assert len(another.history(run_id)["train/loss"]) == number
    assert waiting(store.home) == 0 and not kept(store)


def test_what_was_delivered_before_a_process_died_is_there_once(store: Store, line: Line, run_id: str) -> None:
    store.client.outage.patience = 0.3
    with pytest.raises(StoreError), store.spooling():
        line.is_cut = True
        for epoch in range(1, 100):
            store.log_epoch(run_id, epoch, {"train/loss": 1 / epoch})
            time.sleep(0.05)
    line.is_cut = False
    (path,) = kept(store)
    text = path.read_text()
    deliver(store)
    once = store.client.get_metric_history(run_id, "train/loss")
    path.write_text(f'{text}{{"call": "log_ep')  # it was killed before the file was gone, in the middle of a line
    deliver(store)
    assert len(store.client.get_metric_history(run_id, "train/loss")) == len(once)


def test_what_belongs_to_another_store_stays(store: Store, line: Line, run_id: str) -> None:
    (store.home / FOLDER).mkdir()
    path = store.home / FOLDER / "1-1.jsonl"
    path.write_text(
        '{"store": "http://elsewhere:5000"}\n{"call": "tag", "time": 1, "given": {"run_id": "r", "tags": {}}}\n'
    )
    deliver(store)
    assert path.exists() and waiting(store.home) == 1


def test_what_another_process_still_writes_is_left_to_it(store: Store, line: Line, run_id: str) -> None:
    with store.spooling():
        line.is_cut = True
        store.log_epoch(run_id, 1, {"train/loss": 1.0})
        assert waiting(store.home) == 0
        line.is_cut = False


def test_an_opening_is_asked_for_until_it_is_in_the_ledger_and_never_waits_in_the_file(
    store: Store, line: Line, run_id: str
) -> None:
    with store.spooling():
        line.is_cut = True
        for _ in range(3):
            with pytest.raises(StoreAwayError):
                store.open_test("k1", "digest", run_id, "a study")
        assert not kept(store)
        line.is_cut = False

        def is_open() -> bool:
            try:
                store.open_test("k1", "digest", run_id, "a study")
            except StoreAwayError:
                return False
            return True

        until(is_open)
        assert [opening.key for opening in store.openings()] == ["k1"]


def test_an_opening_that_was_never_made_is_forgotten_with_the_run(store: Store, line: Line, run_id: str) -> None:
    store.client.outage.patience = 0.3

    def ask() -> None:
        while True:
            try:
                store.open_test("k1", "digest", run_id, "a study")
            except StoreAwayError:
                time.sleep(0.05)

    with pytest.raises(StoreError, match="run the same command again"), store.spooling():
        line.is_cut = True
        ask()
    line.is_cut = False
    deliver(store)
    assert store.openings() == []


def test_what_the_store_refuses_is_raised_where_it_was_written(store: Store, line: Line, run_id: str) -> None:
    with store.spooling():
        with pytest.raises(StoreRefusedError, match="bad name!"):
            store.log_epoch(run_id, 1, {"bad name!": 1.0})
        store.log_epoch(run_id, 2, {"good": 1.0})
    assert store.record(run_id).metrics == {"good": 1.0}


def test_what_the_store_refuses_later_fails_that_run_alone(store: Store, line: Line, run_id: str) -> None:
    other = store.start_run("a study", "cell", "cell k2", tags={"harness.key": "k2"})
    with store.spooling() as spool:
        line.is_cut = True
        store.log_epoch(run_id, 1, {"bad name!": 1.0})
        store.end(run_id, "FINISHED")
        store.log_epoch(other, 1, {"good": 1.0})
        store.end(other, "FINISHED")
        line.is_cut = False
        until(lambda: store.record(other).status == "FINISHED")
        with pytest.raises(StoreRefusedError, match="bad name!"):
            store.tag(run_id, {"harness.test": "never"})
    assert list(spool.refused) == [run_id]
    record = store.record(run_id)
    assert record.status == "FAILED" and "bad name!" in record.tags["harness.error"]


@pytest.mark.parametrize(("given", "seconds"), [("", 600), ("45", 45), ("30s", 30), ("10m", 600), ("1.5h", 5400)])
def test_patience_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch, given: str, seconds: float) -> None:
    monkeypatch.setenv(PATIENCE, given)
    assert patience_seconds() == seconds


@pytest.fixture(autouse=True)
def _quick_tries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("harness.track.spool.PAUSE_SECONDS", 0.1)
    monkeypatch.setattr("harness.track.client.PAUSE_SECONDS", 0.1)
    yield
