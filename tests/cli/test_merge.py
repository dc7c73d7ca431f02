"""Runs of one home brought into another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contracts import Opening
from harness.track import LEDGER, Record, Store, open_store
from harness.track.copies import ORIGIN, begin_copy
from harness.track.experiments import find_or_create
from harness.track.ledger import append
from tests.cli.homes import harness, record_of


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an empty store; creating one takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("empty") / "home"
    open_store(home)
    return home


@pytest.fixture
def target(empty: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty, tmp_path / "target")


@pytest.fixture(scope="module")
def merged(empty: Path, finished_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which all runs of the finished one were merged."""
    home = shutil.copytree(empty, tmp_path_factory.mktemp("merged") / "home")
    done = harness("merge", finished_home, "--home", home)
    assert done.exit_code == 0, done.stderr
    return home


def records(home: Path) -> list[Record]:
    store = open_store(home)
    return [record for study in ("tiny", "other") for record in store.records(study)]


def twin(record: Record, others: list[Record]) -> Record:
    return next(other for other in others if other.tags.get(ORIGIN) == record.run_id)


def test_every_run_is_there_with_its_settings_figures_and_tags(finished_home: Path, merged: Path) -> None:
    copies = records(merged)
    originals = records(finished_home)
    assert len(copies) == len(originals) > 0
    for original in originals:
        copy = twin(original, copies)
        for same in ("study", "kind", "key", "name", "status", "start", "end", "params", "metrics"):
            assert getattr(copy, same) == getattr(original, same), same
        changed = {"mlflow.parentRunId", "mlflow.artifactLocation", ORIGIN}
        left, right = ({k: v for k, v in each.tags.items() if k not in changed} for each in (original, copy))
        assert left == right


def test_parents_are_the_copies_of_the_parents(finished_home: Path, merged: Path) -> None:
    copies = records(merged)
    for original in records(finished_home):
        if original.parent:
            parent = open_store(finished_home).record(original.parent)
            assert twin(original, copies).parent == twin(parent, copies).run_id


def test_figures_by_epoch_and_artifacts_are_the_same(finished_home: Path, merged: Path) -> None:
    source, target = open_store(finished_home), open_store(merged)
    original = record_of(finished_home, "cnn s0")
    copy = twin(original, records(merged))
    assert target.history(copy.run_id) == source.history(original.run_id)
    assert len(target.history(copy.run_id)["train/loss"]) == 3
    left, right = files(source, original), files(target, copy)
    assert left == right
    assert "predictions/test.parquet" in left


def files(store: Store, record: Record) -> dict[str, bytes]:
    folder = store.artifact(record.run_id, "")
    assert folder is not None
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_the_ledger_has_all_openings_and_names_the_copies(finished_home: Path, merged: Path) -> None:
    there, here = open_store(finished_home).openings(), open_store(merged).openings()
    copies = {record.tags[ORIGIN]: record.run_id for record in records(merged)}
    assert [replace(opening, run_id=copies[opening.run_id]) for opening in there] == here
    assert len(here) == 5


def test_merging_again_adds_nothing(finished_home: Path, merged: Path) -> None:
    before = [record.run_id for record in records(merged)]
    done = harness("merge", finished_home, "--home", merged, "--json")
    (told,) = json.loads(done.stdout)
    assert (told["copied"], told["known"], told["openings"]) == (0, len(before), 0)
    assert [record.run_id for record in records(merged)] == before


def test_what_went_there_and_back_is_recognized(finished_home: Path, merged: Path, tmp_path: Path) -> None:
    home = copied(finished_home, tmp_path)
    before = len(records(home))
    (told,) = json.loads(harness("merge", merged, "--home", home, "--json").stdout)
    assert (told["copied"], told["openings"]) == (0, 0)
    assert len(records(home)) == before


def test_the_report_is_written_with_nothing_run_again(finished_home: Path, merged: Path) -> None:
    matrix = finished_home.parent / "tiny.yaml"
    (there, here) = (
        json.loads(harness("report", matrix, "--home", home, "--json").stdout) for home in (finished_home, merged)
    )
    assert here["results"] == there["results"]
    (there_csv, here_csv) = ((home / "reports/tiny/results.csv").read_text() for home in (finished_home, merged))
    assert without_ids(here_csv, merged) == without_ids(there_csv, finished_home)


def without_ids(text: str, home: Path) -> str:
    for record in records(home):
        text = text.replace(record.run_id, record.name)
    return text


def test_nothing_is_left_to_run_after_a_merge(finished_home: Path, merged: Path) -> None:
    shutil.copytree(finished_home / "cache", merged / "cache", dirs_exist_ok=True)
    matrix = finished_home.parent / "tiny.yaml"
    plan = json.loads(harness("plan", matrix, "--home", merged, "--json").stdout)
    assert {cell["state"] for cell in plan["cells"]} == {"done"}


def test_a_copied_model_predicts(merged: Path, finished_home: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (8, 8), 40).save(tmp_path / "gray.png")
    answers = [
        json.loads(harness("predict", "cnn s1", tmp_path / "gray.png", "--json", "--home", home).stdout)["images"]
        for home in (finished_home, merged)
    ]
    assert answers[0] == answers[1]
    copy = record_of(merged, "cnn s1")
    assert len(open_store(merged).client.get_run(copy.run_id).outputs.model_outputs) == 1


def test_two_models_that_opened_the_same_test_set_are_refused_and_nothing_is_written(
    finished_home: Path, target: Path
) -> None:
    cell = record_of(finished_home, "cnn s0")
    store = open_store(target)
    other = Opening(cell.key, "another digest", "2026-01-01T00:00:00+00:00", "elsewhere", "f" * 32)
    append(store.client, find_or_create(store.client, LEDGER, store.artifacts), other, "tiny")
    done = harness("merge", finished_home, "--home", target)
    assert done.exit_code == 1
    assert f"run {cell.run_id} in {finished_home}" in done.stderr
    assert f"run {'f' * 32} in {target}" in done.stderr
    assert cell.key in done.stderr
    assert records(target) == []
    assert len(open_store(target).openings()) == 1


def test_of_two_homes_that_contradict_each_other_none_is_merged(
    finished_home: Path, target: Path, tmp_path: Path
) -> None:
    home = copied(finished_home, tmp_path)
    store = open_store(home)
    cell = record_of(finished_home, "hog s0")
    other = Opening(cell.key, "another digest", "2026-01-01T00:00:00+00:00", "elsewhere", "f" * 32)
    append(store.client, find_or_create(store.client, LEDGER, store.artifacts), other, "tiny")
    done = harness("merge", finished_home, home, "--home", target)
    assert done.exit_code == 1
    assert records(target) == []


def test_the_same_model_opened_on_two_machines_is_one_opening(finished_home: Path, target: Path) -> None:
    (opening, *_) = open_store(finished_home).openings()
    store = open_store(target)
    append(store.client, find_or_create(store.client, LEDGER, store.artifacts), opening, "tiny")
    (told,) = json.loads(harness("merge", finished_home, "--home", target, "--json").stdout)
    assert told["openings"] == 4
    keys = [each.key for each in open_store(target).openings()]
    assert len(keys) == len(set(keys)) == 5


def test_a_copy_that_was_cut_short_is_made_anew(finished_home: Path, target: Path) -> None:
    broken = begin_copy(open_store(target), record_of(finished_home, "cnn s0"))
    (told,) = json.loads(harness("merge", finished_home, "--home", target, "--json").stdout)
    assert told["copied"] == len(records(finished_home))
    found = records(target)
    assert broken not in {record.run_id for record in found}
    assert len(found) == len(records(finished_home))


def test_a_run_that_has_not_ended_is_left_for_the_next_time(finished_home: Path, merged: Path, tmp_path: Path) -> None:
    home = copied(finished_home, tmp_path)
    store = open_store(home)
    run_id = store.start_run("tiny", "cell", "late s0", tags={"harness.key": "0123456789abcdef"})
    first = harness("merge", home, "--home", merged, "--json")
    assert json.loads(first.stdout)[0]["running"] == ["late s0"]
    store.end(run_id, "FAILED", "not today", "a traceback")
    (second,) = json.loads(harness("merge", home, "--home", merged, "--json").stdout)
    assert second["copied"] == 1
    late = record_of(merged, "late s0")
    assert (late.status, late.tags["harness.error"]) == ("FAILED", "not today")
    open_store(merged).client.delete_run(late.run_id)


def test_a_tuning_study_names_the_copies_of_its_runs(finished_home: Path, target: Path, tmp_path: Path) -> None:
    home = copied(finished_home, tmp_path)
    store, cell = open_store(home), record_of(finished_home, "cnn s0")
    run_id = store.start_run("tiny", "study", "cnn tuning", tags={"harness.key": "0"})
    store.log_text(run_id, json.dumps({"run_ids": [cell.run_id], "digest": "a" * 31}), "tuning.json")
    store.end(run_id, "FINISHED")
    assert harness("merge", home, "--home", target).exit_code == 0
    path = open_store(target).artifact(record_of(target, "cnn tuning").run_id, "tuning.json")
    assert path is not None
    assert json.loads(path.read_text()) == {"run_ids": [record_of(target, "cnn s0").run_id], "digest": "a" * 31}


@pytest.mark.parametrize(("place", "said"), [("nowhere", "there is no store in it"), (".", "that is the store itself")])
def test_a_home_without_a_store_or_the_same_one_is_refused(target: Path, place: str, said: str) -> None:
    done = harness("merge", target / place, "--home", target)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("contradicting", [False, True])
def test_a_refused_merge_leaves_no_store_behind(finished_home: Path, tmp_path: Path, contradicting: bool) -> None:
    homes = [tmp_path / "nowhere"]
    if contradicting:
        homes = [finished_home, copied(finished_home, tmp_path)]
        store = open_store(homes[1])
        cell = record_of(finished_home, "hog s0")
        other = Opening(cell.key, "another digest", "2026-01-01T00:00:00+00:00", "elsewhere", "f" * 32)
        append(store.client, find_or_create(store.client, LEDGER, store.artifacts), other, "tiny")
    new = tmp_path / "new"
    assert harness("merge", *homes, "--home", new).exit_code == (1 if contradicting else 2)
    assert not new.exists()


def copied(home: Path, folder: Path) -> Path:
    """Return a copy of a home that may be changed; what is merged from it has the ids of the original."""
    copy: Any = shutil.copytree(home, folder / "copy")
    return Path(copy)
