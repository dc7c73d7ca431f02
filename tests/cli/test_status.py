"""`harness status` of finished studies: what is there, and by which name other commands take it."""

from __future__ import annotations

import json
from pathlib import Path

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
