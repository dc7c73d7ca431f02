"""The journal: a chain of entries that several processes, homes and merges write to."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.track import Store, open_store
from harness.track import journal as module
from harness.track.client import Client
from harness.track.journal import HEAD


def chain(store: Store) -> list[tuple[int, str, str]]:
    return [(entry.number, entry.previous, entry.digest) for entry in store.entries()]


def test_a_store_without_a_journal_has_no_entries(store: Store) -> None:
    assert store.entries() == ()


def test_each_entry_has_the_digest_of_the_one_before(store: Store) -> None:
    for number in range(3):
        store.note("trial", "study", "run", number_of_trial=number, word="Größe")
    first, second, third = store.entries()
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert [first.previous, second.previous, third.previous] == ["", first.digest, second.digest]
    assert (third.kind, third.study, third.run_id) == ("trial", "study", "run")
    assert third.said == {"number_of_trial": 2, "word": "Größe"} and third.time.endswith("+00:00")


def test_an_entry_is_one_request(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.note("trial", "study", "run")
    asked: list[str] = []
    call = Client.call

    def heard(client: Client, method: Any, *args: Any, **more: Any) -> Any:
        asked.append(method.__name__)
        return call(client, method, *args, **more)

    monkeypatch.setattr(Client, "call", heard)
    store.note("trial", "study", "run")
    assert asked == ["set_tag"]


def test_processes_that_take_turns_write_one_chain(store: Store) -> None:
    stores = [store.anew() for _ in range(3)]
    for number in range(9):
        stores[number % 3].note("trial", "study", f"run {number}")
    found = store.entries()
    assert [entry.previous for entry in found] == ["", *(entry.digest for entry in found[:-1])]


def test_processes_at_once_write_one_chain(store: Store) -> None:
    stores = [store.anew() for _ in range(4)]
    store.note("plan", "study", "first")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: [each.note("trial", "study", "run") for _ in range(5)], stores))
    found = store.entries()
    assert len(found) == 21
    assert [entry.previous for entry in found] == ["", *(entry.digest for entry in found[:-1])]


def test_a_run_holds_so_many_entries_and_then_comes_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_A_RUN", 3)
    for _ in range(4):
        store.note("trial", "study", "run")
    store.anew().note("trial", "study", "run")
    assert [entry.number for entry in store.entries()] == [1, 2, 3, 4, 5]
    number = store.client.get_experiment_by_name("harness-ledger").experiment_id
    assert sorted(run.info.run_name for run in store.client.search_runs([number])) == [
        "journal from entry 1",
        "journal from entry 4",
    ]


def test_without_the_homes_file_the_store_says_how_it_goes_on(store: Store) -> None:
    store.note("trial", "study", "run")
    (store.home / HEAD).unlink()
    store.anew().note("trial", "study", "run")
    first, second = store.entries()
    assert second.previous == first.digest


def test_a_new_store_in_an_old_home_begins_anew(store: Store, tmp_path: Path) -> None:
    store.note("trial", "study", "run")
    other = open_store(tmp_path / "other")
    shutil.copy(store.home / HEAD, other.home / HEAD)
    other.note("trial", "study", "run")
    assert [number for number, *_ in chain(other)] == [1]


def test_openings_are_in_the_journal_before_the_ledger_has_their_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr("harness.track.ledger.append", gone)
        with pytest.raises(OSError, match="gone"):
            store.open_test("k1", "digest", "run", "study")
    (entry,) = store.entries()
    assert entry.kind == "opening" and entry.key == "k1" and entry.said["line"]["model_digest"] == "digest"
    assert store.openings() == []


def test_a_file_that_is_no_head_counts_for_nothing(store: Store) -> None:
    store.note("trial", "study", "run")
    for text in ("", "[]", json.dumps({"store": "embedded"}), json.dumps({"store": "another"})):
        (store.home / HEAD).write_text(text)
        assert store.anew().journal.written_here() is None
