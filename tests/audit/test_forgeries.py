"""Forgeries done for real, by SQL and by files, in copies of one finished store: which of them the audit catches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
import pytest

import harness
from harness.audit import Finding, verdicts
from harness.contracts.tuned import TUNING_FILE
from harness.execute.recording import DIGESTS, METRICS, TAG, read_manifest
from harness.measure.predictions import read_predictions, write_class_report, write_confusion
from harness.measure.scores import evaluate
from harness.seeds import file_digest
from harness.track import LEDGER, Record, Store, open_store
from harness.track.journal import HEAD, Entry, last_of
from tests.audit.studies import (
    STUDY,
    evidence_of,
    flip_byte,
    forge,
    forge_opening,
    ledger_run,
    matrix_run,
    set_tag,
)

MATRIX: Final = """
version: 1
study: digits
dataset: {name: digits, validation: {size: 200, seed: 0}}
seeds: [0]
experiments:
  floor: {model: majority, test: never}
  deep: {model: mlp, recipe: {epochs: 2}, seeds: [0, 1]}
  broken: {model: broken}
tune:
  deep: {trials: 3, space: {recipe.optimizer.lr: {low: 0.01, high: 0.1}}, confirm: {top: 2, seeds: [10]}}
claims:
  - {experiment: deep, metric: test/accuracy, value: 0.5, tolerance: 0.01}
"""
BROKEN: Final = """
from harness.contracts import ClassicalModel, Classifier, Task


class Broken(ClassicalModel):
    def build(self, task: Task, seed: int) -> Classifier:
        raise RuntimeError("it diverged")
"""


@pytest.fixture(scope="module")
def finished(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the study was run: a cell failed, a search found a winner."""
    home = shutil.copytree(empty_home, tmp_path_factory.mktemp("forged") / "home")
    (home / "plugins").mkdir()
    (home / "plugins" / "broken.py").write_text(BROKEN)
    (home / "matrix.yaml").write_text(MATRIX)
    ended = harness.run(
        home / "matrix.yaml", home=home, device="cpu", executor="inline", workers=1, plugins=[home / "plugins"]
    )
    assert ended.state == "failed"
    return home


@pytest.fixture
def store(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return open_store(shutil.copytree(finished, tmp_path / "home"))


def faults(store: Store, with_report: bool = False) -> list[tuple[str, Finding]]:
    """Return what each check fails of; writing the report again takes longest and comes last."""
    found = verdicts(evidence_of(store))
    kept = found if with_report else islice(found, 10)
    return [(verdict.name, each) for verdict in kept for each in verdict.findings if each.is_fault]


def named(store: Store, name: str) -> Record:
    return next(record for record in store.records(STUDY) if record.name == name)


def file_of(store: Store, name: str, path: str) -> Path:
    found = store.artifact(named(store, name).run_id, path)
    assert found is not None
    return found


def delete(store: Store, run_id: str) -> None:
    """Delete a run as MLflow's page does."""
    forge(store, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?", run_id)


def set_metric(store: Store, name: str, metric: str, value: float) -> None:
    run_id = named(store, name).run_id
    forge(store, "UPDATE latest_metrics SET value = ? WHERE run_uuid = ? AND key = ?", value, run_id, metric)


def change_json(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1))


def seal_again(store: Store, name: str) -> None:
    """Make a run's manifest fit what is there now."""
    run, listing = named(store, name), file_of(store, name, DIGESTS)
    kept = read_manifest(listing.read_text())
    files = {path: file_digest(listing.parent / path) for path in kept.files}
    tags = {tag: run.tags.get(tag, "") for tag in kept.tags}
    listing.write_text(
        kept.model_copy(update={"files": files, "params": dict(run.params), "tags": tags}).model_dump_json()
    )
    set_tag(store, run.run_id, TAG, file_digest(listing))


def better(store: Store, name: str, split: str = "test") -> None:
    """Let a run have predicted 50 more images right."""
    path = file_of(store, name, f"predictions/{split}.parquet")
    table = pq.read_table(path)
    columns = {column: table.column(column).to_numpy().copy() for column in table.column_names}
    scores = [column for column in table.column_names if column not in {"index", "label"}]
    for row in range(50):
        for number, column in enumerate(scores):
            columns[column][row] = float(number == columns["label"][row])
    pq.write_table(table.from_pydict(columns, schema=table.schema), path)


def better_throughout(store: Store) -> None:
    """The same with the figures and tables that follow from it."""
    better(store, "deep s0")
    folder = file_of(store, "deep s0", METRICS).parent
    predicted = read_predictions(folder / "predictions" / "test.parquet")
    scores = evaluate(predicted.scores, predicted.labels, True)
    write_confusion(scores.confusion, predicted.classes, folder / "confusion.csv")
    write_class_report(scores, predicted.classes, folder / "report.json")
    metrics = json.loads((folder / METRICS).read_text())
    metrics |= {f"test/{key}": value for key, value in scores.metrics.items() if f"test/{key}" in metrics}
    for key, value in metrics.items():
        set_metric(store, "deep s0", key, value)
    (folder / METRICS).write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")


def accuracy(store: Store) -> None:
    set_metric(store, "deep s0", "test/accuracy", 0.99)


def accuracy_and_file(store: Store) -> None:
    accuracy(store)
    change_json(file_of(store, "deep s0", METRICS), lambda found: found.update({"test/accuracy": 0.99}))


def accuracy_and_manifest(store: Store) -> None:
    accuracy_and_file(store)
    seal_again(store, "deep s0")


def label_of(store: Store, name: str) -> None:
    path = file_of(store, name, "predictions/test.parquet")
    table = pq.read_table(path)
    labels = (table.column("label").to_numpy() + 1) % 10
    index = table.column_names.index("label")
    pq.write_table(table.set_column(index, table.schema.field("label"), [labels.astype(np.int64)]), path)


def labels_of_all(store: Store) -> None:
    for record in store.records(STUDY):
        if record.status == "FINISHED" and record.tags.get("harness.test") == "opened":
            label_of(store, record.name)


def line(store: Store, name: str = "deep s0") -> str:
    return ledger_run(store, named(store, name).key)


def line_and_tag(store: Store) -> None:
    delete(store, line(store))
    set_tag(store, named(store, "deep s0").run_id, "harness.test", "sealed")


def second_line(store: Store) -> None:
    run = named(store, "deep s0")
    forge_opening(store, run.key, run.run_id, model_digest="f" * 16)


def curve(store: Store) -> None:
    run_id = named(store, "deep s0").run_id
    forge(store, "UPDATE metrics SET value = 0.5 WHERE run_uuid = ? AND key = 'val/loss' AND step = 1", run_id)


def change_search(change: Callable[[Any], None]) -> Callable[[Store], None]:
    return lambda store: change_json(file_of(store, "deep tuning", TUNING_FILE), change)


def other_winner(found: Any) -> None:
    found["winner"] = next(each["trial"] for each in found["confirmed"] if each["trial"] != found["winner"])


def sealed_metric(store: Store) -> None:
    run_id = named(store, "floor s0").run_id
    forge(
        store,
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, 0.9, 0, 0, 0, ?)",
        "test/accuracy",
        run_id,
    )


def swapped(store: Store) -> None:
    one, other = (file_of(store, f"deep s{seed}", "predictions/test.parquet") for seed in (0, 1))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def copied(store: Store) -> None:
    """Seed 1 is seed 0 again: its files, its metrics, its model, its manifest."""
    one, other = (file_of(store, f"deep s{seed}", METRICS).parent for seed in (0, 1))
    shutil.rmtree(other)
    shutil.copytree(one, other)
    for metric, value in named(store, "deep s0").metrics.items():
        set_metric(store, "deep s1", metric, value)
    model = named(store, "deep s0").tags["harness.model_digest"]
    set_tag(store, named(store, "deep s1").run_id, "harness.model_digest", model)
    set_tag(store, line(store, "deep s1"), "harness.model_digest", model)
    seal_again(store, "deep s1")


def keys_exchanged(store: Store) -> None:
    one, other = named(store, "deep s0"), named(store, "deep s1")
    set_tag(store, one.run_id, "harness.key", other.key)
    set_tag(store, other.run_id, "harness.key", one.key)


def all_of_predictions(store: Store) -> None:
    better_throughout(store)
    seal_again(store, "deep s0")


def all_of_weights(store: Store) -> None:
    weights = file_of(store, "deep s0", "model/model.safetensors")
    flip_byte(weights)
    set_tag(store, named(store, "deep s0").run_id, "harness.model_digest", file_digest(weights))
    set_tag(store, line(store), "harness.model_digest", file_digest(weights))
    seal_again(store, "deep s0")


def all_of_seconds(store: Store) -> None:
    set_metric(store, "deep s0", "time/train_seconds", 0.001)
    for path in ("model/fit.json", METRICS):
        key = "time/train_seconds" if path == METRICS else "train_seconds"
        change_json(file_of(store, "deep s0", path), partial(dict.update, **{key: 0.001}))
    seal_again(store, "deep s0")


def epochs_in_params(store: Store) -> None:
    run_id = named(store, "deep s0").run_id
    forge(store, "UPDATE params SET value = '20' WHERE run_uuid = ? AND key = 'recipe.epochs'", run_id)


def change_plan(change: Callable[[Any], None]) -> Callable[[Store], None]:
    return lambda store: change_json(file_of(store, "matrix matrix", "plan.json"), change)


def epochs(found: Any) -> None:
    next(each for each in found["cells"] if each["name"] == "deep s0")["cell"]["recipe"]["epochs"] = 20


def validation(found: Any) -> None:
    for each in found["cells"]:
        each["cell"]["dataset"]["validation"]["size"] = 100


def claim(found: Any) -> None:
    found["claims"][0]["value"] = 0.9


def leakage(store: Store) -> None:
    path = store.artifact(matrix_run(store).run_id, "leakage/0.json")
    assert path is not None
    change_json(path, lambda found: found["near_across"].update({"images": 0}))
    path.write_text(path.read_text() + "\n")


def worst_trial(found: Any) -> dict[str, Any]:
    chosen = {found["winner"], *(each["trial"] for each in found["confirmed"])}
    return next(each for each in found["trials"] if each["number"] not in chosen)


def trial_dropped(store: Store) -> None:
    change_search(lambda found: found["trials"].remove(worst_trial(found)))(store)


def trial_dropped_with_its_run(store: Store) -> None:
    path = file_of(store, "deep tuning", TUNING_FILE)
    (run_id,) = worst_trial(json.loads(path.read_text()))["run_ids"]
    trial_dropped(store)
    delete(store, run_id)


def seed_dropped(store: Store) -> None:
    run, opening = named(store, "deep s1"), line(store, "deep s1")
    change_plan(lambda found: found["cells"].remove(next(e for e in found["cells"] if e["name"] == "deep s1")))(store)
    delete(store, run.run_id)
    delete(store, opening)


def failure_as_interrupted(store: Store) -> None:
    run_id = named(store, "broken s0").run_id
    forge(store, "UPDATE runs SET status = 'KILLED' WHERE run_uuid = ?", run_id)


def entries_dropped(store: Store) -> None:
    """A bad seed taken out of everything, its entries of the journal as well."""
    key = named(store, "deep s1").key
    seed_dropped(store)
    for entry in store.entries():
        if entry.key == key:
            forge(store, "DELETE FROM tags WHERE value = ?", entry.text)


def tag(name: str, value: str, cell: str = "deep s0") -> Callable[[Store], None]:
    return lambda store: set_tag(store, named(store, cell).run_id, name, value)


def on_line(name: str, value: str) -> Callable[[Store], None]:
    return lambda store: set_tag(store, line(store), name, value)


@dataclass(frozen=True)
class Forgery:
    name: str
    make: Callable[[Store], None]
    check: str
    """A check that fails."""
    says: str
    """Part of what it says."""


FORGERIES: Final = (
    Forgery("an accuracy in the database", accuracy, "figures", "test/accuracy is 0.99 in the store"),
    Forgery("an accuracy and metrics.json", accuracy_and_file, "artifacts", "metrics.json was altered"),
    Forgery("an accuracy, metrics.json, manifest", accuracy_and_manifest, "journal", "in the journal it is another"),
    Forgery("predictions bettered", lambda store: better(store, "deep s0"), "artifacts", "test.parquet was altered"),
    Forgery("labels of one cell", lambda store: label_of(store, "deep s0"), "labels", "other images or labels"),
    Forgery("labels of all cells", labels_of_all, "artifacts", "predictions/test.parquet was altered"),
    Forgery(
        "a line of the ledger deleted",
        lambda store: delete(store, line(store)),
        "openings",
        "the ledger's line is gone",
    ),
    Forgery("the line and its run's tag", line_and_tag, "artifacts", "harness.test is sealed in the store"),
    Forgery("a second line with another model", second_line, "openings", "opened 2 times"),
    Forgery("a line before its run", on_line("harness.time", "2020-01-01T00:00:00+00:00"), "order", "before its run"),
    Forgery("a line after its run", on_line("harness.time", "2100-01-01T00:00:00+00:00"), "openings", "in the journal"),
    Forgery("a line with another model", on_line("harness.model_digest", "f" * 16), "openings", "by model ffff"),
    Forgery("the fit's end", tag("harness.fit_ended", "2100-01-01T00:00:00+00:00"), "artifacts", "harness.fit_ended"),
    Forgery(
        "weights",
        lambda store: flip_byte(file_of(store, "deep s0", "model/model.safetensors")),
        "artifacts",
        "its figures are on record for model",
    ),
    Forgery("a point of a curve", curve, "fits", "val/loss of epoch 1 is 0.5 in the store"),
    Forgery("the winner", change_search(other_winner), "searches", "fixed was trial"),
    Forgery(
        "a trial's score",
        change_search(lambda found: found["trials"][0].update(values=[0.999])),
        "searches",
        "tuning.json is not the one that was logged",
    ),
    Forgery(
        "a trial's predictions",
        lambda store: flip_byte(file_of(store, "deep trial 0 s0", "predictions/val.parquet")),
        "artifacts",
        "predictions/val.parquet was altered",
    ),
    Forgery("a test figure of a sealed cell", sealed_metric, "openings", "has test/accuracy"),
    Forgery(
        "the winner fixed after its opening",
        change_search(lambda found: found.update(winner_time="2100-01-01T00:00:00+00:00")),
        "searches",
        "tuning.json is not the one that was logged",
    ),
    Forgery(
        "seconds of fitting",
        lambda store: set_metric(store, "deep s0", "time/train_seconds", 0.001),
        "fits",
        "time/train_seconds",
    ),
    Forgery("two seeds' predictions exchanged", swapped, "artifacts", "predictions/test.parquet was altered"),
    Forgery("a seed that is a copy of another", copied, "openings", "the journal none of this model"),
    Forgery("the data's fingerprint", tag("harness.data_fingerprint", "other"), "splits", "training data is"),
    Forgery("the split's digest", tag("harness.split_digest", "other"), "splits", "validation split is"),
    Forgery("two seeds' keys exchanged", keys_exchanged, "artifacts", "harness.key is"),
    Forgery("predictions, figures, tables, manifest", all_of_predictions, "journal", "in the journal it is another"),
    Forgery("weights, tag, ledger, manifest", all_of_weights, "openings", "the journal has its opening"),
    Forgery("seconds, fit.json, manifest", all_of_seconds, "journal", "in the journal it is another"),
    Forgery("epochs in a run's parameters", epochs_in_params, "artifacts", "setting recipe.epochs is 20 in the store"),
    Forgery("epochs in the plan", change_plan(epochs), "journal", "plan.json is not the one that was logged"),
    Forgery("the validation split in the plan", change_plan(validation), "journal", "plan.json is not the one"),
    Forgery("a claim", change_plan(claim), "journal", "cells, settings or claims were changed since"),
    Forgery("the check for duplicates", leakage, "leakage", "leakage/0.json is not the one that was logged"),
    Forgery("a trial taken out", trial_dropped, "searches", "and is not in it"),
    Forgery("a trial taken out with its run", trial_dropped_with_its_run, "searches", "and is not in it"),
    Forgery("the hardware", tag("harness.hardware", "NVIDIA H100"), "artifacts", "harness.hardware is NVIDIA H100"),
    Forgery("the commit", tag("harness.git", "0" * 40), "artifacts", "harness.git is 0000"),
    Forgery("a bad seed out of plan, runs, ledger", seed_dropped, "openings", "the ledger's line is gone"),
    Forgery("a failed cell as interrupted", failure_as_interrupted, "journal", "failed at"),
    Forgery(
        "a failed cell as never run",
        lambda store: delete(store, named(store, "broken s0").run_id),
        "journal",
        "it diverged), and is gone",
    ),
    Forgery("entries of the journal", entries_dropped, "journal", "follows one that is gone or was changed"),
)


def test_the_untouched_store_passes(store: Store) -> None:
    assert faults(store, with_report=True) == []


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda each: each.name)
def test_a_forgery_is_caught(store: Store, forgery: Forgery) -> None:
    forgery.make(store)
    found = faults(store)
    assert any(name == forgery.check and forgery.says in each.what for name, each in found), found


def test_a_figure_changed_in_the_report_is_caught(store: Store) -> None:
    names = ("results.md", "results.csv", "index.html")
    for name in names:
        path = store.home / "reports" / STUDY / name
        path.write_text(path.read_text().replace("0", "9", 1))
    assert {each.where for name, each in faults(store, with_report=True) if name == "report"} == set(names)


def test_the_end_of_the_journal_taken_off_is_caught_by_the_homes_own_file(store: Store) -> None:
    last = store.entries()[-1]
    forge(store, "DELETE FROM tags WHERE value = ?", last.text)
    texts = [each.what for name, each in faults(store) if name == "journal"]
    assert any("the last that this home wrote, is gone" in text for text in texts)


def test_all_made_to_fit_and_the_whole_journal_written_again_is_not_caught_but_ends_in_another_digest(
    store: Store,
) -> None:
    noted = last_of(store.entries())[-1].digest
    all_of_predictions(store)
    run = named(store, "deep s0")

    def fit(said: dict[str, Any]) -> None:
        if said["run"] == run.run_id and said["kind"] == "ending":
            said["manifest"] = run.tags[TAG]

    write_again(store, fit)
    assert faults(store) == []
    assert last_of(store.entries())[-1].digest != noted


def write_again(store: Store, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the journal anew, each entry after the one before it, and the home's file."""
    previous, kept = "", store.journal.written_here()
    assert kept is not None
    for entry in _in_order(store.entries()):
        said = json.loads(entry.text)
        change(said)
        said["previous"] = previous
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        forge(store, "UPDATE tags SET value = ? WHERE value = ?", text, entry.text)
        previous = sha256(text.encode()).hexdigest()
    head = {"store": "embedded", "number": kept.number, "digest": previous, "holder": kept.holder, "held": kept.held}
    (store.home / HEAD).write_text(json.dumps(head))


def _in_order(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    yield from sorted(entries, key=lambda entry: entry.number)


def test_what_was_deleted_by_hand_is_told_as_gone_and_accuses_nobody(store: Store) -> None:
    """A run that failed and was run again may go; so may trials."""
    for name in ("deep trial 0 s0",):
        delete(store, named(store, name).run_id)
    texts = [each.what for name, each in faults(store) if name == "journal"]
    assert texts == []
    assert LEDGER not in {record.study for record in store.records(STUDY)}
