"""Whole runs of fake cells against a real store, in this process and in workers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from harness.contracts import Outcome, PlannedCell, StudyPlan
from harness.data.leakage import Leakage
from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.locks import take
from harness.execute.plan import RunSettings, states
from harness.track import Record, Store
from tests.execute.conftest import FAKE, Diary, plan_cell, plan_of
from tests.execute.fake_cells import calls


def run(
    plan: StudyPlan, store: Store, executor: str = "inline", diary: Diary | None = None, **settings: Any
) -> list[Outcome]:
    settings = {"device": "cpu", "workers": 1, **settings}
    run_settings = RunSettings(home=store.home, **settings)
    opened = open_executor(executor, run_settings.workers, 1, FAKE)
    return list(run_plan(plan, store, opened, run_settings, diary or Diary()))


def cells(store: Store) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in store.records("a study"):
        if record.kind == "cell":
            found.setdefault(record.key, []).append(record)
    return found


def only_cell(store: Store, key: str) -> Record:
    (record,) = cells(store)[key]
    return record


def matrix(store: Store) -> list[Record]:
    return [record for record in store.records("a study") if record.kind == "matrix"]


def states_by_key(plan: StudyPlan, store: Store) -> dict[str, str]:
    return {state.planned.key: state.state for state in states(plan, store)}


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_a_finished_cell_leaves_all_it_should(store: Store, executor: str) -> None:
    plan = plan_of(plan_cell("k1"))
    diary = Diary()

    (outcome,) = run(plan, store, executor, diary)

    record = only_cell(store, "k1")
    assert (outcome.state, outcome.run_id) == ("finished", record.run_id)
    assert (record.status, record.name) == ("FINISHED", "fake k1 s0")
    assert record.metrics == {"train/loss": 0.5, "epoch_seconds": 3.0, "val/accuracy": 0.75, "val/macro_f1": 0.7}
    expected = {
        "harness.kind": "cell",
        "harness.key": "k1",
        "harness.experiment": "fakes",
        "harness.model": "fake",
        "harness.seed": "0",
        "harness.dataset": "digits",
        "harness.data_fingerprint": "data",
        "harness.device": "cpu",
        "harness.test": "opened",
        "harness.attempt": "1",
    }
    assert expected.items() <= record.tags.items()
    assert {"harness.git", "mlflow.note.content"} <= record.tags.keys()
    assert record.params["model.name"] == "fake"
    assert store.history(record.run_id)["val/accuracy"] == ((1, 0.1), (2, 0.2))
    assert all(store.artifact(record.run_id, path) for path in ("environment.txt", "report.json", "model/task.json"))
    assert (diary.started_keys, diary.epochs) == (["k1"], [("k1", 1), ("k1", 2)])
    assert [each.state for each in diary.outcomes] == ["finished"]
    assert not (store.home / "checkpoints" / "k1").exists()


def test_what_watchers_are_handed_is_theirs_and_changes_no_more(store: Store) -> None:
    class Keeps(Diary):
        def epoch(self, planned: PlannedCell, epoch: int, metrics: Mapping[str, float]) -> None:
            kept.append(metrics)

    kept: list[Mapping[str, float]] = []
    run(plan_of(plan_cell("k1")), store, diary=Keeps())
    assert [each["val/accuracy"] for each in kept] == [0.1, 0.2]


def test_the_matrix_run_is_the_parent_and_holds_the_plan(store: Store) -> None:
    plan = plan_of(plan_cell("k1"))
    run(plan, store)
    (parent,) = matrix(store)
    assert only_cell(store, "k1").parent == parent.run_id
    assert parent.status == "FINISHED"
    assert store.plan("a study") == plan


def test_what_is_done_is_not_run_again_in_any_study(store: Store) -> None:
    plan = plan_of(plan_cell("k1"))
    run(plan, store)
    diary = Diary()
    again = run(plan, store, diary=diary)
    other = run(plan.model_copy(update={"study": "another study"}), store)
    assert [outcome.state for outcome in (*again, *other)] == ["skipped", "skipped"]
    assert again[0].metrics["val/accuracy"] == 0.75
    assert diary.started_keys == [] and len(matrix(store)) == 1
    assert calls(store.home / "cache") == ["k1:1", "k1:2"]


def test_a_grown_plan_keeps_what_is_done(store: Store) -> None:
    run(plan_of(plan_cell("k1")), store)
    outcomes = run(plan_of(plan_cell("k1"), plan_cell("k2")), store)
    assert [outcome.state for outcome in outcomes] == ["skipped", "finished"]


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_one_failing_cell_does_not_stop_the_others(store: Store, executor: str) -> None:
    plan = plan_of(plan_cell("k1"), plan_cell("k2", at_epoch_2="raise"), plan_cell("k3"))

    outcomes = run(plan, store, executor)

    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    record = only_cell(store, "k2")
    assert (record.status, record.tags["harness.error"]) == ("FAILED", "RuntimeError: boom")
    path = store.artifact(record.run_id, "traceback.txt")
    assert path is not None and "in _raise" in path.read_text()
    assert matrix(store)[0].status == "FAILED"
    assert states_by_key(plan, store) == {"k1": "done", "k2": "failed", "k3": "done"}


def test_fail_fast_stops_after_the_first_failure(store: Store) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="raise"), plan_cell("k2"))
    outcomes = run(plan, store, fail_fast=True)
    assert [(outcome.state, outcome.message) for outcome in outcomes] == [
        ("failed", "RuntimeError: boom"),
        ("interrupted", "not started"),
    ]
    assert "k2" not in cells(store)


def test_fail_fast_ends_what_runs_beside_as_killed(store: Store) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="hang"), plan_cell("k2", at_epoch_2="raise"))
    outcomes = run(plan, store, "local", workers=2, fail_fast=True)
    assert [outcome.state for outcome in outcomes] == ["interrupted", "failed"]
    assert only_cell(store, "k1").status == "KILLED"


def test_a_dead_worker_is_a_failed_run_that_says_so(store: Store) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="die"), plan_cell("k2"))
    outcomes = run(plan, store, "local")
    assert [outcome.state for outcome in outcomes] == ["failed", "finished"]
    assert only_cell(store, "k1").tags["harness.error"] == "the worker process died (signal 9)"


@pytest.mark.parametrize(("executor", "trouble"), [("local", "die once"), ("inline", "run out of memory once")])
def test_bad_luck_is_retried_in_the_same_run_from_the_checkpoint(store: Store, executor: str, trouble: str) -> None:
    plan = plan_of(plan_cell("k1", epochs=3, at_epoch_2=trouble))
    diary = Diary()
    outcomes = run(plan, store, executor, diary, retry=1)
    assert [outcome.state for outcome in outcomes] == ["finished"]
    record = only_cell(store, "k1")
    assert record.status == "FINISHED" and "harness.error" not in record.tags
    assert [step for step, _ in store.history(record.run_id)["train/loss"]] == [1, 2, 3]
    assert calls(store.home / "cache") == ["k1:1", "k1:2", "k1:2", "k1:3"]
    assert [outcome.state for outcome in diary.outcomes] == ["finished"]


def test_without_retries_bad_luck_is_a_failure(store: Store) -> None:
    (outcome,) = run(plan_of(plan_cell("k1", at_epoch_2="run out of memory once")), store)
    assert (outcome.state, outcome.message) == ("failed", "out of memory")


def test_a_diverged_fit_is_not_retried_and_starts_anew_when_run_again(store: Store) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="diverge"))
    for _ in range(2):
        (outcome,) = run(plan, store, retry=3)
        assert outcome.message == "loss is nan at epoch 2, step 7"
    assert [record.tags["harness.attempt"] for record in cells(store)["k1"]] == ["1", "2"]
    assert calls(store.home / "cache") == ["k1:1", "k1:2"] * 2


@pytest.mark.parametrize(("executor", "trouble"), [("inline", "interrupt once"), ("local", "interrupt driver once")])
def test_an_interrupted_run_leaves_true_states_and_is_finished_by_the_next(
    store: Store, executor: str, trouble: str
) -> None:
    plan = plan_of(plan_cell("k1", epochs=3, at_epoch_2=trouble), plan_cell("k2"))

    first = run(plan, store, executor)

    assert [outcome.state for outcome in first] == ["interrupted", "interrupted"]
    assert [record.status for record in store.records("a study")] == ["KILLED", "KILLED"]
    assert states_by_key(plan, store) == {"k1": "missing", "k2": "missing"}

    second = run(plan, store, executor)

    assert [outcome.state for outcome in second] == ["finished", "finished"]
    record = only_cell(store, "k1")
    assert (record.status, record.run_id) == ("FINISHED", first[0].run_id)
    assert [step for step, _ in store.history(record.run_id)["train/loss"]] == [1, 2, 3]
    assert record.parent == matrix(store)[1].run_id


def test_an_epoch_that_was_logged_before_its_checkpoint_was_lost_is_not_logged_twice(store: Store) -> None:
    plan = plan_of(plan_cell("k1", epochs=3, at_epoch_2="interrupt once"))
    run(plan, store)
    (store.home / "checkpoints" / "k1" / "checkpoint.pt").write_text("0")
    run(plan, store)
    points = store.client.get_metric_history(only_cell(store, "k1").run_id, "train/loss")
    assert sorted(point.step for point in points) == [1, 2, 3]


def test_a_missing_test_file_fails_the_opening_alone_and_nothing_is_fitted_again(store: Store) -> None:
    test_file = store.home / "test.parquet"
    plan = plan_of(plan_cell("k1", test_file=str(test_file)))

    (outcome,) = run(plan, store)
    record = only_cell(store, "k1")
    assert (outcome.state, record.tags["harness.test"]) == ("failed", "sealed")
    assert "test.parquet: no such file" in outcome.message

    test_file.touch()
    (outcome,) = run(plan, store)
    record = only_cell(store, "k1")
    assert (outcome.state, record.tags["harness.test"]) == ("finished", "opened")
    assert calls(store.home / "cache") == ["k1:1", "k1:2"]


def test_a_second_opening_with_another_model_fails_the_cell(store: Store) -> None:
    store.open_test("k1", "another digest", "first-run")
    (outcome,) = run(plan_of(plan_cell("k1")), store)
    assert outcome.state == "failed" and "first-run" in outcome.message
    assert only_cell(store, "k1").tags["harness.test"] == "sealed"


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_cell_goes_on_with_the_threads_that_it_was_begun_with(
    is_deleted: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted after its fit, or deleted in MLflow after its opening, it becomes the same model again."""
    monkeypatch.setattr("harness.execute.plan.usable_cores", lambda: 8)
    test_file = store.home / "test.parquet"
    plan = plan_of(plan_cell("k1", test_file=str(test_file), threads_matter=True))
    if is_deleted:
        test_file.touch()
    (outcome,) = run(plan, store, workers=4)
    assert outcome.state == ("finished" if is_deleted else "failed")
    if is_deleted:
        store.client.delete_run(outcome.run_id)
    test_file.touch()
    (outcome,) = run(plan, store, workers=1)
    assert (outcome.state, outcome.message) == ("finished", "")
    record = only_cell(store, "k1")
    assert record.tags["harness.threads"] == "2"
    assert [opening.model_digest for opening in store.openings()] == ["digest of k1 with 2 threads"]


def test_a_cell_begun_anew_has_the_threads_of_this_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.execute.plan.usable_cores", lambda: 8)
    plan = plan_of(plan_cell("k1", at_epoch_2="raise"))
    run(plan, store, workers=4)
    (store.home / "checkpoints" / "k1" / "checkpoint.pt").unlink()
    run(plan, store, workers=2)
    assert [record.tags["harness.threads"] for record in cells(store)["k1"]] == ["2", "4"]


def test_a_cell_that_never_opens_is_tagged_so(store: Store) -> None:
    run(plan_of(plan_cell("k1", test="never")), store)
    assert only_cell(store, "k1").tags["harness.test"] == "never"
    assert store.openings() == []


def test_changed_source_is_stale_and_redone_only_when_asked(store: Store) -> None:
    run(plan_of(plan_cell("k1", test="never")), store)
    changed = plan_of(plan_cell("k1", source_digest="changed", test="never"))
    assert states_by_key(changed, store) == {"k1": "stale"}
    assert [outcome.state for outcome in run(changed, store)] == ["skipped"]
    assert [outcome.state for outcome in run(changed, store, rerun_stale=True)] == ["finished"]
    assert states_by_key(changed, store) == {"k1": "done"}
    assert [record.tags["harness.attempt"] for record in cells(store)["k1"]] == ["1", "2"]


def test_changed_source_does_not_look_at_the_test_set_again(store: Store) -> None:
    """The weights may be the same where `predict` has changed; what answers is another function all the same."""
    run(plan_of(plan_cell("k1")), store)
    changed = plan_of(plan_cell("k1", source_digest="changed"))
    (outcome,) = run(changed, store, rerun_stale=True)
    assert outcome.state == "failed"
    assert "the same weights, but the source of its components has changed since" in outcome.message
    assert "raise its revision" in outcome.message
    assert len(store.openings()) == 1
    assert states_by_key(changed, store) == {"k1": "stale"}


def test_a_checkpoint_of_other_source_is_not_gone_on_with(store: Store) -> None:
    run(plan_of(plan_cell("k1", at_epoch_2="interrupt once")), store)
    run(plan_of(plan_cell("k1", source_digest="changed", at_epoch_2="interrupt once")), store)
    assert [record.status for record in cells(store)["k1"]] == ["KILLED", "FINISHED"]
    assert calls(store.home / "cache") == ["k1:1", "k1:2", "k1:1", "k1:2"]


def test_a_cell_that_another_process_runs_is_left_to_it(store: Store) -> None:
    plan = plan_of(plan_cell("k1"), plan_cell("k2"))
    lock = take(store, "k1")
    assert lock is not None
    run_id = store.start_run("a study", "cell", "fake k1 s0", tags={"harness.key": "k1"})

    assert states_by_key(plan, store) == {"k1": "running", "k2": "missing"}
    assert [outcome.state for outcome in run(plan, store)] == ["skipped", "finished"]

    lock.release()
    assert states_by_key(plan, store) == {"k1": "missing", "k2": "done"}
    assert store.record(run_id).status == "KILLED"


@pytest.mark.parametrize(("status", "state"), [("FINISHED", "skipped"), ("FAILED", "failed"), ("KILLED", "skipped")])
def test_a_cell_that_another_process_ended_meanwhile_is_as_it_left_it(
    store: Store, status: Literal["FINISHED", "FAILED", "KILLED"], state: str
) -> None:
    locks = [take(store, "k1")]
    tags = {"harness.key": "k1", "harness.source_digest": "source"}
    run_id = store.start_run("a study", "cell", "fake k1 s0", tags=tags)

    class Other(Diary):
        def ended(self, outcome: Outcome) -> None:
            if outcome.planned.key == "k2":
                store.end(run_id, status, "" if status == "FINISHED" else "boom")
                for lock in filter(None, locks):
                    lock.release()

    first, second = run(plan_of(plan_cell("k1"), plan_cell("k2")), store, diary=Other())
    assert (first.state, first.run_id, second.state) == (state, run_id, "finished")
    assert first.runs_elsewhere == (status == "KILLED"), "that one is still to be run"


def test_what_the_store_does_not_take_of_a_cell_fails_that_cell_alone(store: Store) -> None:
    plan = plan_of(plan_cell("k1", at_epoch_2="log a bad name"), plan_cell("k2"))
    outcomes = run(plan, store)
    assert [outcome.state for outcome in outcomes] == ["failed", "finished"]
    assert "bad name!" in outcomes[0].message
    assert only_cell(store, "k1").status == "FAILED"


def test_a_changed_plan_without_new_cells_is_still_logged(store: Store, tmp_path: Path) -> None:
    run(plan_of(plan_cell("k1"), plan_cell("k2")), store)
    fewer = plan_of(plan_cell("k2"))
    run(fewer, store)
    assert store.plan("a study") == fewer


def test_duplicates_are_looked_for_where_a_test_set_was_opened(store: Store) -> None:
    run(plan_of(plan_cell("k1", test="never")), store)
    run(plan_of(plan_cell("k1", test="never"), plan_cell("k2")), store)
    sealed, opened = (record.run_id for record in matrix(store))
    assert store.artifact(sealed, "leakage/0.json") is None
    path = store.artifact(opened, "leakage/0.json")
    assert path is not None and Leakage.model_validate_json(path.read_text()).checked


DRIVER = """
import pathlib, sys
from tests.execute.test_driver import PLAN, FAKE, Diary, RunSettings, open_executor, run_plan
from harness.track import open_store

store = open_store(pathlib.Path(sys.argv[1]))
run_plan(PLAN, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
"""
PLAN = plan_of(plan_cell("k1", epochs=3, at_epoch_2="die once"))


def test_a_killed_driver_leaves_a_run_that_the_next_plan_marks_and_the_next_run_finishes(store: Store) -> None:
    path = os.pathsep.join(filter(None, sys.path))
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER, str(store.home)], env={**os.environ, "PYTHONPATH": path}, check=False, timeout=60
    )
    assert driver.returncode == -signal.SIGKILL
    assert [record.status for record in store.records("a study")] == ["RUNNING", "RUNNING"]

    (state,) = states(PLAN, store)
    assert state.state == "missing"
    assert state.run_id is not None and store.record(state.run_id).status == "KILLED"

    executor = open_executor("inline", 1, 1, FAKE)
    (outcome,) = run_plan(PLAN, store, executor, RunSettings(home=store.home, device="cpu"), Diary())
    assert (outcome.state, outcome.run_id) == ("finished", state.run_id)
    assert [step for step, _ in store.history(state.run_id)["train/loss"]] == [1, 2, 3]
    assert [record.status for record in store.records("a study") if record.kind == "matrix"] == ["KILLED", "FINISHED"]


def test_a_plan_of_finished_cells_is_answered_in_a_blink(store: Store) -> None:
    plan = plan_of(*(plan_cell(f"k{i}", epochs=1) for i in range(20)))
    run_plan(plan, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
    begun = time.perf_counter()
    run_plan(plan, store, open_executor("inline", 1, 1, FAKE), RunSettings(home=store.home, device="cpu"), Diary())
    assert time.perf_counter() - begun < 2
