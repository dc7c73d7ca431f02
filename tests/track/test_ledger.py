import pytest

from harness.contracts import SealedSet
from harness.errors import SealError
from harness.track import LEDGER, Store


def test_an_opening_is_recorded_with_model_run_time_and_host(store: Store) -> None:
    store.open_test("k1", "digest", "run", "study")
    (opening,) = store.openings()
    assert (opening.key, opening.model_digest, opening.run_id) == ("k1", "digest", "run")
    assert opening.time.endswith("+00:00") and opening.host


def test_a_second_model_is_refused_and_told_who_was_first(store: Store) -> None:
    store.open_test("k1", "one", "first-run")
    with pytest.raises(SealError, match="first-run at 2"):
        store.open_test("k1", "two", "second-run")
    assert [opening.model_digest for opening in store.openings()] == ["one"]


def test_the_same_model_may_finish_and_counts_once(store: Store) -> None:
    store.open_test("k1", "one", "first-run")
    store.open_test("k1", "one", "second-run")
    assert len(store.openings(["k1"])) == 1


def test_openings_of_other_cells_do_not_matter(store: Store) -> None:
    for key in ("k1", "k2", "k3"):
        store.open_test(key, f"digest of {key}", "run")
    assert [opening.key for opening in store.openings(["k1", "k3"])] == ["k1", "k3"]
    assert store.openings([]) == []


def test_the_ledger_is_no_study_and_no_cell(store: Store) -> None:
    store.open_test("k1", "one", "run", "study")
    assert store.cell_records(["k1"]) == {"k1": ()}
    assert store.records("study") == ()


def test_another_test_set_is_an_opening_of_its_own(store: Store) -> None:
    ours, theirs = SealedSet("files a", "images a"), SealedSet("files b", "images b")
    for test_set in (ours, theirs, ours, SealedSet("files a moved", "images a"), SealedSet("files b")):
        store.open_test("k1", "one", "run", test_set=test_set, source_digest="source")
    assert [opening.test_set for opening in store.openings()] == [ours, theirs]
    with pytest.raises(SealError, match="opened before"):
        store.open_test("k1", "two", "run", test_set=ours, source_digest="source")


def test_the_same_weights_by_another_source_are_another_function(store: Store) -> None:
    store.open_test("k1", "one", "run", source_digest="v3:a")
    with pytest.raises(SealError, match="the same weights, but the source of its components has changed since"):
        store.open_test("k1", "one", "run", source_digest="v3:b")


def test_a_line_of_an_earlier_version_holds_for_its_model_and_says_nothing_of_the_test_set(store: Store) -> None:
    store.open_test("k1", "one", "first-run")
    with pytest.raises(SealError, match="first-run"):
        store.open_test("k1", "two", "second-run", test_set=SealedSet("files"), source_digest="source")
    store.open_test("k1", "one", "first-run", test_set=SealedSet("files"), source_digest="source")
    assert len(store.openings()) == 1, "it goes on where it was interrupted"
    store.open_test("k1", "one", "second-run", test_set=SealedSet("files"), source_digest="source")
    assert [opening.test_files for opening in store.openings()] == ["", "files"]


def test_a_line_whose_writer_was_killed_is_ended_by_whoever_finishes(store: Store) -> None:
    store.open_test("k1", "one", "first-run")
    (line,) = store.client.search_runs([store._experiment(LEDGER)], "tags.`harness.kind` = 'opening'")
    store.client.update_run(line.info.run_id, status="RUNNING")
    store.open_test("k1", "one", "first-run")
    assert store.client.get_run(line.info.run_id).info.status == "FINISHED"
    assert len(store.openings()) == 1
