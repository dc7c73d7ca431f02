import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness.contracts import StudyPlan
from harness.errors import StoreError
from harness.track import Store, open_store


def start_cell(store: Store, key: str = "k1", study: str = "a study") -> str:
    return store.start_run(study, "cell", f"cell {key}", tags={"harness.key": key}, params={"recipe.optimizer.lr": 0.1})


def test_two_processes_may_open_an_empty_home_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib; from harness.track import open_store; open_store(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "new")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=90)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert open_store(tmp_path / "new").records("anything") == ()


@pytest.mark.usefixtures("migrated_homes")
def test_opening_a_store_leaves_the_environment_as_it_was(tmp_path: Path) -> None:
    before = dict(os.environ)
    open_store(tmp_path)
    assert dict(os.environ) == before


def test_the_database_is_in_write_ahead_mode(store: Store) -> None:
    with closing(sqlite3.connect(store.home / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_run_keeps_what_was_logged(store: Store) -> None:
    run_id = start_cell(store)
    store.log_epoch(run_id, 1, {"train/loss": 2.0, "val/accuracy": 0.3})
    store.log_epoch(run_id, 2, {"train/loss": 1.5, "val/accuracy": 0.4})
    store.log_final(run_id, {"val/accuracy": 0.35, "test/accuracy": 0.34}, {"harness.test": "opened"}, epoch=2)
    store.end(run_id, "FINISHED")

    (record,) = store.records("a study")

    assert (record.kind, record.key, record.name, record.status) == ("cell", "k1", "cell k1", "FINISHED")
    assert record.params == {"recipe.optimizer.lr": "0.1"}
    assert record.metrics == {"train/loss": 1.5, "val/accuracy": 0.35, "test/accuracy": 0.34}
    assert record.tags["harness.test"] == "opened"
    assert "| 34.00 |" in record.tags["mlflow.note.content"]
    assert record.end is not None and record.end >= record.start


def test_history_holds_the_epochs_own_values_in_order(store: Store) -> None:
    run_id = start_cell(store)
    for epoch, value in ((1, 0.3), (2, 0.4)):
        store.log_epoch(run_id, epoch, {"val/accuracy": value})
    store.log_final(run_id, {"val/accuracy": 0.3}, {}, epoch=2)
    assert store.history(run_id)["val/accuracy"] == ((1, 0.3), (2, 0.4))
    assert store.history(run_id, ["val/accuracy"]) == {"val/accuracy": ((1, 0.3), (2, 0.4))}


def test_settings_are_logged_as_yaml_writes_them_and_cut_when_too_long(store: Store) -> None:
    params = {"recipe.nesterov": True, "recipe.ema": None, "dataset.path": "x" * 7000}
    many = {f"recipe.option{i}": i for i in range(250)}
    run_id = store.start_run("s", "cell", "c", tags={}, params={**params, **many})
    kept = store.record(run_id).params
    assert (kept["recipe.nesterov"], kept["recipe.ema"]) == ("true", "null")
    assert len(kept["dataset.path"]) == 6000 and kept["dataset.path"].endswith("…")
    assert len(kept) == 253


def test_a_failed_run_says_why(store: Store) -> None:
    run_id = start_cell(store)
    store.end(run_id, "FAILED", "loss is nan at epoch 3, step 7", "Traceback ...")
    record = store.record(run_id)
    assert (record.status, record.tags["harness.error"]) == ("FAILED", "loss is nan at epoch 3, step 7")
    path = store.artifact(run_id, "traceback.txt")
    assert path is not None and path.read_text() == "Traceback ..."


def test_a_resumed_run_is_running_again_without_its_error_and_knows_its_last_epoch(store: Store) -> None:
    run_id = start_cell(store)
    for epoch in (1, 2, 3):
        store.log_epoch(run_id, epoch, {"train/loss": 1 / epoch})
    store.end(run_id, "KILLED", "interrupted")
    assert store.resume_run(run_id) == 3
    record = store.record(run_id)
    assert record.status == "RUNNING" and "harness.error" not in record.tags


def test_a_missing_artifact_is_none(store: Store) -> None:
    assert store.artifact(start_cell(store), "nothing.txt") is None


def test_cells_are_found_in_all_studies_by_key(store: Store) -> None:
    first, second = start_cell(store, "k1", "one"), start_cell(store, "k1", "two")
    start_cell(store, "k2", "two")
    found = store.cell_records(["k1", "k3"])
    assert [record.run_id for record in found["k1"]] == [first, second]
    assert [record.study for record in found["k1"]] == ["one", "two"]
    assert found["k3"] == ()


def test_many_keys_are_found_as_few_are(store: Store) -> None:
    run_id = start_cell(store, "k7")
    found = store.cell_records([f"k{i}" for i in range(300)])
    assert len(found) == 300
    assert [record.run_id for record in found["k7"]] == [run_id]


def test_the_plan_is_that_of_the_newest_whole_run(store: Store) -> None:
    for name, partial in (("old.yaml", False), ("new.yaml", False), ("some.yaml", True)):
        plan = StudyPlan(study="s", matrix=name, cells=(), partial=partial)
        run_id = store.start_run("s", "matrix", name, tags={"harness.partial": str(partial).lower()})
        store.log_text(run_id, plan.model_dump_json(), "plan.json")
        time.sleep(0.002)
    found = store.plan("s")
    assert found is not None and found.matrix == "new.yaml"
    assert store.plan("another") is None


def test_a_moved_home_still_gives_its_artifacts(store: Store, tmp_path: Path) -> None:
    run_id = start_cell(store)
    store.log_text(run_id, "text", "deep/note.txt")
    shutil.move(store.home, tmp_path / "elsewhere")

    moved = open_store(tmp_path / "elsewhere")
    path = moved.artifact(run_id, "deep/note.txt")

    assert path is not None and path.read_text() == "text"
    assert path.is_relative_to(tmp_path / "elsewhere")
    assert start_cell(moved, "k2") in {record.run_id for record in moved.records("a study")}
    moved.log_text(start_cell(moved, "k3"), "more", "after.txt")
    assert not store.home.exists()


def test_a_copied_home_leaves_the_original_alone(store: Store, tmp_path: Path) -> None:
    run_id = start_cell(store)
    store.log_text(run_id, "text", "note.txt")
    shutil.copytree(store.home, tmp_path / "copy")
    copied = open_store(tmp_path / "copy").artifact(run_id, "note.txt")
    original = open_store(store.home).artifact(run_id, "note.txt")
    assert copied is not None and copied.is_relative_to(tmp_path / "copy")
    assert original is not None and original.is_relative_to(store.home)


@pytest.mark.parametrize(
    ("revision", "advice"), [("451aebb31d03", "mlflow db upgrade sqlite:///"), ("ffffffffffff", "newer MLflow")]
)
def test_a_database_of_another_mlflow_is_refused_with_advice(home: Path, revision: str, advice: str) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    with pytest.raises(StoreError, match=advice):
        open_store(home)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, " * 100)
    with pytest.raises(StoreError, match="is not a database"):
        open_store(tmp_path)


def test_a_server_that_does_not_answer_is_named_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    begun = time.perf_counter()
    with pytest.raises(StoreError, match=r"http://127\.0\.0\.1:9.*unset MLFLOW_TRACKING_URI"):
        open_store(tmp_path)
    assert time.perf_counter() - begun < 15


def test_errors_of_the_store_name_it(store: Store) -> None:
    with pytest.raises(StoreError, match=r"mlflow\.db"):
        store.record("0" * 32)


def test_a_deleted_study_comes_back_when_it_is_run_again(store: Store) -> None:
    start_cell(store)
    experiment = store.client.get_experiment_by_name("a study")
    store.client.delete_experiment(experiment.experiment_id)
    again = start_cell(open_store(store.home), "k2")
    assert again in {record.run_id for record in store.records("a study")}
