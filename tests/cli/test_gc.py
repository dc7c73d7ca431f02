"""What `harness gc` removes of a home, and what it never touches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from harness.cli.gc import perform
from harness.cli.options import Gc
from harness.execute.cleanup import leftovers, remove
from harness.execute.locks import folder_of, take
from harness.plugins import Catalog
from harness.track import open_store
from tests.cli.homes import MATRIX, harness, record_of, run_file


@pytest.fixture
def home(finished_home: Path, tmp_path: Path) -> Path:
    """A copy of a finished home, with a checkpoint that its cell left behind."""
    copy = Path(shutil.copytree(finished_home, tmp_path / "home"))
    leave_checkpoint(copy, record_of(copy, "cnn s0").key)
    return copy


def leave_checkpoint(home: Path, key: str, size: int = 1000) -> Path:
    folder = folder_of(home, key)
    folder.mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(bytes(size))
    return folder


def add_unfinished(home: Path, folder: Path, text: str = MATRIX) -> str:
    """Let the newest plan of the first study have a cell more, which was interrupted; return its key."""
    store = open_store(home)
    plan = store.plan("tiny")
    assert plan is not None
    late = plan.cells[0].model_copy(update={"key": "0123456789abcdef", "name": "late s0"})
    run_id = store.start_run("tiny", "matrix", "matrix", tags={"harness.partial": "false"})
    more = plan.model_copy(update={"cells": (*plan.cells, late)})
    store.log_text(run_id, more.model_dump_json(), "plan.json")
    store.end(run_id, "KILLED")
    cell = store.start_run("tiny", "cell", late.name, tags={"harness.key": late.key})
    store.end(cell, "KILLED", "interrupted")
    return late.key


def collected(home: Path, *arguments: object) -> dict[str, Any]:
    done = harness("gc", *arguments, "--json", "--home", home)
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def kinds(found: dict[str, Any]) -> list[str]:
    return sorted(each["kind"] for each in found["leftovers"])


def test_a_finished_study_needs_neither_checkpoints_nor_decoded_images(home: Path) -> None:
    found = collected(home)
    assert kinds(found) == ["checkpoint", "decoded images", "decoded images"]
    assert all(each["removed"] and not Path(each["path"]).exists() for each in found["leftovers"])
    assert found["bytes"] == sum(each["bytes"] for each in found["leftovers"]) > 1000
    assert collected(home)["leftovers"] == []


def test_a_dry_run_says_the_same_and_removes_nothing(home: Path) -> None:
    before = sorted(home.rglob("*"))
    dry = collected(home, "--dry-run")
    assert sorted(home.rglob("*")) == before
    assert [each["removed"] for each in dry["leftovers"]] == [False] * 3
    wet = collected(home)
    assert (dry["bytes"], kinds(dry)) == (wet["bytes"], kinds(wet))
    assert (
        harness("gc", "--dry-run", "--home", home).stderr.strip()
        == "nothing to remove: all that is kept may still be needed"
    )


def test_the_store_its_artifacts_and_the_ledger_are_as_before(home: Path, finished_home: Path) -> None:
    collected(home)
    for record in open_store(finished_home).records("tiny"):
        kept, original = (open_store(each).artifact(record.run_id, "") for each in (home, finished_home))
        assert kept is not None and original is not None
        assert {path.name for path in kept.rglob("*")} == {path.name for path in original.rglob("*")}
    assert open_store(home).openings() == open_store(finished_home).openings()
    assert harness("report", finished_home.parent / "tiny.yaml", "--home", home).exit_code == 0


def test_a_study_goes_on_after_all_was_removed(home: Path, finished_home: Path) -> None:
    collected(home)
    matrix = home.parent / "tiny.yaml"
    matrix.write_text(MATRIX.replace("seeds: [0]", "seeds: [0, 3]", 1))
    run_file(matrix, open_store(home))
    assert record_of(home, "hog s3").status == "FINISHED"


def test_what_an_unfinished_cell_needs_is_kept(home: Path, tmp_path: Path) -> None:
    key = add_unfinished(home, tmp_path)
    mine = leave_checkpoint(home, key)
    assert kinds(collected(home)) == ["checkpoint"]
    assert mine.exists()
    assert len([each for each in (home / "cache/decoded").iterdir() if each.is_dir()]) == 2


def test_a_checkpoint_of_a_cell_that_the_store_does_not_know_is_kept(home: Path) -> None:
    stranger = leave_checkpoint(home, "fedcba9876543210")
    collected(home)
    assert stranger.exists()


def test_a_checkpoint_of_a_newer_attempt_is_kept(home: Path) -> None:
    """A stale cell that is redone has a finished run and a newer one, which may go on from its checkpoint."""
    store, record = open_store(home), record_of(home, "cnn s0")
    run_id = store.start_run("tiny", "cell", "cnn s0", tags={"harness.key": record.key})
    store.end(run_id, "KILLED", "interrupted")
    assert collected(home)["leftovers"] == [], "nor does the data set go"
    assert folder_of(home, record.key).exists()


def test_nothing_that_a_running_cell_holds_is_touched(home: Path) -> None:
    key = record_of(home, "cnn s0").key
    lock = take(open_store(home), key)
    assert lock is not None
    assert collected(home)["leftovers"] == [], "its data set is needed, too"
    lock.release()
    assert len(collected(home)["leftovers"]) == 3


def test_a_data_set_that_is_being_decoded_is_left_alone(home: Path) -> None:
    (folder,) = (home / "cache/decoded").glob("digits-train-*[!k]")
    with FileLock(f"{folder}.lock"):
        found = collected(home)
    assert kinds(found) == ["checkpoint", "decoded images"]
    assert folder.exists()


def test_what_is_taken_up_after_it_was_found_stays(home: Path) -> None:
    found = leftovers([open_store(home)], home / "cache", Catalog())
    checkpoint = next(each for each in found if each.kind == "checkpoint")
    lock = take(open_store(home), checkpoint.path.name)
    assert lock is not None
    assert not remove(checkpoint)
    assert checkpoint.path.exists()
    lock.release()
    assert remove(checkpoint)


def test_broken_decodings_and_downloads_of_no_study_go_and_those_in_use_stay(home: Path) -> None:
    cache = home / "cache"
    for folder in ("decoded/svhn-train-0123456789abcdef.partial", "raw/svhn", "raw/digits"):
        (cache / folder).mkdir(parents=True)
        (cache / folder / "file.part").write_bytes(bytes(500))
    found = {Path(each["path"]).name: each["kind"] for each in collected(home)["leftovers"]}
    assert found["svhn"] == "download"
    assert found["svhn-train-0123456789abcdef.partial"] == "broken decoding"
    assert (cache / "raw/digits/file.part").exists(), "a study of the store has it"


def test_features_of_frozen_networks_go_once_no_cell_is_unfinished(home: Path, tmp_path: Path) -> None:
    folder = home / "cache/features/ab"
    folder.mkdir(parents=True)
    add_unfinished(home, tmp_path)
    assert "features" not in kinds(collected(home, "--dry-run"))
    store = open_store(home)
    store.end(store.start_run("tiny", "cell", "late s0", tags={"harness.key": "0123456789abcdef"}), "FINISHED")
    assert "features" in kinds(collected(home))
    assert not folder.exists()


def test_where_it_cannot_be_told_what_a_source_needs_all_of_it_is_kept(home: Path, tmp_path: Path) -> None:
    add_unfinished(home, tmp_path)
    store = open_store(home)
    plan = store.plan("tiny")
    assert plan is not None
    gone = plan.cells[-1].cell.dataset.model_copy(update={"name": "npz", "path": "/nowhere.npz"})
    cells = tuple(
        each.model_copy(update={"cell": each.cell.model_copy(update={"dataset": gone})}) for each in plan.cells
    )
    run_id = store.start_run("tiny", "matrix", "matrix", tags={"harness.partial": "false"})
    store.log_text(run_id, plan.model_copy(update={"cells": cells}).model_dump_json(), "plan.json")
    store.end(run_id, "KILLED")
    for name in ("npz-train-0123456789abcdef", "parquet-train-0123456789abcdef"):
        (home / "cache/decoded" / name).mkdir()
    collected(home)
    kept = {each.name for each in (home / "cache/decoded").iterdir() if each.is_dir()}
    assert "npz-train-0123456789abcdef" in kept
    assert "parquet-train-0123456789abcdef" not in kept


def test_the_checkpoints_of_smoke_runs_go_too(home: Path) -> None:
    shutil.copytree(home, home / "smoke", ignore=shutil.ignore_patterns("cache", "artifacts"))
    assert kinds(collected(home)).count("checkpoint") == 2


def test_an_empty_home_is_told_and_not_made(tmp_path: Path) -> None:
    done = harness("gc", "--home", tmp_path / "none")
    assert done.exit_code == 2
    assert not (tmp_path / "none").exists()


def test_what_is_printed_names_the_places_below_the_home(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert perform(Gc(home=home, dry_run=True)) == 0
    shown = capsys.readouterr()
    assert f"checkpoints/{record_of(home, 'cnn s0').key}" in shown.out
    assert "nothing was removed" in shown.err
