"""`harness status` of finished studies: what is there, and by which name other commands take it."""

from __future__ import annotations

import json
from pathlib import Path

from mlflow import MlflowClient

from harness.track import open_store
from tests.cli.homes import OTHER, harness, record_of, run_file


def test_runs_are_listed_by_the_names_that_other_commands_take(finished_home: Path) -> None:
    shown = harness("status", "--runs", "--home", finished_home)
    assert shown.exit_code == 0
    record = record_of(finished_home, "cnn s1")
    (line,) = (line for line in shown.stdout.splitlines() if "cnn s1" in line)
    assert line.split()[:1] == [record.run_id[:8]] and "finished" in line
    assert f"{100 * record.metrics['test/accuracy']:.2f}" in line
    assert harness("compare", record.run_id[:8], "cnn s0", "--home", finished_home).exit_code == 0


def test_a_sealed_run_has_no_test_figure(finished_home: Path) -> None:
    (line,) = (
        line for line in harness("status", "--runs", "--home", finished_home).stdout.splitlines() if "sealed s0" in line
    )
    assert line.split()[-1] == "-"


def test_one_study_alone_is_listed_for_its_matrix_file(finished_home: Path) -> None:
    shown = harness("status", finished_home.parent / "other.yaml", "--runs", "--home", finished_home).stdout
    assert "floor s0" in shown and "cnn" not in shown


def test_figures_are_numbers_in_json(finished_home: Path) -> None:
    studies = json.loads(harness("status", "--json", "--home", finished_home).stdout)
    cells = {cell["name"]: cell for study in studies for cell in study["cells"]}
    record = record_of(finished_home, "hog s0")
    assert cells["hog s0"]["run_id"] == record.run_id
    assert cells["hog s0"]["test_accuracy"] == record.metrics["test/accuracy"]


def test_cells_that_another_study_has_run_are_not_missing(tmp_path: Path) -> None:
    store = open_store(tmp_path / "home")
    for study in ("other", "twin"):
        (tmp_path / f"{study}.yaml").write_text(OTHER.replace("study: other", f"study: {study}"))
        run_file(tmp_path / f"{study}.yaml", store)
    studies = json.loads(harness("status", "--json", "--home", tmp_path / "home").stdout)
    assert [(each["study"], len(each["cells"]), each["missing"]) for each in studies] == [
        ("other", 1, 0),
        ("twin", 1, 0),
    ]


def test_a_cell_whose_run_or_study_was_deleted_in_mlflow_does_not_come_back_without_a_word(tmp_path: Path) -> None:
    store, file = open_store(tmp_path / "home"), tmp_path / "other.yaml"
    file.write_text(OTHER)
    run_file(file, store)
    (record,) = (each for each in store.records("other") if each.kind == "cell")
    said = "1 cell to run: its run was deleted in MLflow, by itself or with its study"
    alike = "digits: 1 test image is nearly like an image of the training split"
    options = ("--executor", "inline", "--device", "cpu", "--home", tmp_path / "home")
    client = MlflowClient(store.uri)

    client.delete_run(record.run_id)
    plan = json.loads(harness("plan", file, "--json", *options).stdout)
    assert [(each["state"], each["reason"]) for each in plan["cells"]] == [("missing", "its run was deleted in MLflow")]
    assert [each for each in plan["warnings"] if not each.startswith(alike)] == [said]

    client.restore_run(record.run_id)
    warnings = json.loads(harness("plan", file, "--json", *options).stdout)["warnings"]
    assert [each for each in warnings if not each.startswith(alike)] == []
    client.delete_experiment(client.get_experiment_by_name("other").experiment_id)
    again = harness("run", file, *options)
    assert again.exit_code == 0
    assert f"Warning: {said}\n" in again.stderr
